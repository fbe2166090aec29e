package rights

import (
	"context"

	"probity/internal/id"
	"probity/internal/store"
)

// Post is what the mail room holds. *mail.Room satisfies it.
type Post interface {
	Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (int64, error)
}

// Letters is the Store of letters that wait to be sent. A letter is gone once it is sent, and what it
// is about is exported by the room that wrote it.
func Letters(room Post) Store { return letters{room} }

type letters struct{ room Post }

func (letters) Name() string { return "letters" }

func (letters) Export(context.Context, id.Tenant, []id.Subject) ([]Section, error) { return nil, nil }

func (s letters) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	n, err := s.room.Erase(ctx, tx, subjects)
	return []Count{{"letters that waited", n}}, err
}
