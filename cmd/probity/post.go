package main

import (
	"context"
	"strings"

	"probity/internal/consent"
	"probity/internal/mail"
	"probity/internal/privacy"
	"probity/internal/store"
)

// post lets the consent room ask by letter: the privacy centre has the words, the mail room sends them.
type post struct {
	rooms *rooms
	base  string // how the outside reaches this server
}

// Ask implements consent.Post.
func (p *post) Ask(ctx context.Context, tx *store.Tx, q consent.Question) error {
	l := privacy.WriteLetter(q.Kind, q.Language, q.Name, q.Titles, p.base+"/privacy/l/"+q.Token)
	return p.rooms.mail.SendTx(ctx, tx, mail.Letter{To: q.To, Topic: q.Kind, Subject: l.Subject, Text: l.Text, Language: l.Language, About: q.About, Receiver: q.Asked})
}

// publicURL is how letters name this server.
func (s *settings) publicURL() string {
	if s.PublicURL != "" {
		return strings.TrimRight(s.PublicURL, "/")
	}
	return "http://" + s.Listen
}
