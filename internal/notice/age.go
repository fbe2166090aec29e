package notice

import "strings"

// AgeWords are what the banner asks of a visitor whose deployment has an age gate, and what it says to a
// child whose parent has to agree (Art. 8 GDPR). The question names no threshold: nobody is led to an
// answer.
type AgeWords struct {
	Language string `json:"language"`
	Title    string `json:"title"`
	Why      string `json:"why"`
	Age      string `json:"age"`
	Choose   string `json:"choose"` // in place of an answer that nobody has given yet
	Under    string `json:"under"`  // twelve or younger
	Over     string `json:"over"`   // sixteen or older
	Country  string `json:"country"`
	Next     string `json:"next"`
	Parent   string `json:"parent"`
	Ask      string `json:"ask"`
	Email    string `json:"email"`
	Send     string `json:"send"`
	Sent     string `json:"sent"` // names the control by which the privacy choices open
}

// Age returns the words about ages that go with a notice, in its language. In a language that is not
// built in they are English, and say so.
func (n *Notice) Age() AgeWords {
	lang := Base(n.Language)
	l := builtin()[lang]
	if l == nil {
		lang = "en"
		l = builtin()[lang]
	}
	words := l.Age
	words.Language = lang
	words.Sent = strings.ReplaceAll(words.Sent, "{manage}", n.Labels.Manage)
	return words
}
