package consent

import (
	"context"
	"encoding/json"
	"time"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// entryConflict is one purpose on which the devices of a person disagree.
type entryConflict struct {
	Purpose   string `json:"purpose"`
	Here      Status `json:"here"`      // what was said on the device that the entry is about
	Elsewhere Status `json:"elsewhere"` // what was said last on the device that decides
	Effective Status `json:"effective"`
	Decides   string `json:"decides"` // record id of the choice that decides
}

// Merged notes in the ledger what it closed that the devices of a person were found to belong
// together: for each device on which a purpose was granted that another device refused, one entry that
// names both choices and the one that counts, which is the most restrictive. The entry changes no
// state: it says what the fold of the records already says.
//
// Call it in the transaction that merged s with others. After the commit the other processes, and open
// pages of the devices that lost a purpose, are told.
func (r *Room) Merged(ctx context.Context, tx *store.Tx, s id.Subject) error {
	members, err := r.subjects.Person(ctx, tx, s)
	if err != nil || len(members) < 2 {
		return err
	}
	set, err := r.readSettings(ctx, tx, r.clk.Now())
	if err != nil {
		return err
	}
	records := make([][]Record, len(members))
	for i, m := range members {
		if records[i], err = recordsOf(ctx, tx, m); err != nil {
			return err
		}
	}
	at := r.clk.Now().UTC().Truncate(time.Microsecond)
	material := set.materialAt(at)
	for i, m := range members {
		if len(records[i]) == 0 {
			continue
		}
		var others [][]Record
		for j := range members {
			if j != i {
				others = append(others, records[j])
			}
		}
		conflicts := conflictsOf(set, records[i], others, at, material)
		if len(conflicts) == 0 {
			continue
		}
		if err := r.noteConflict(ctx, tx, set, m, members, records[i], conflicts, at); err != nil {
			return err
		}
	}
	return nil
}

// conflictsOf returns the purposes that a device allows and another device of the person closes.
func conflictsOf(set *settings, own []Record, others [][]Record, at time.Time, material map[string]int) []entryConflict {
	var out []entryConflict
	for _, p := range set.purposes {
		here := latest(own, p.ID, at, material)
		if here.Status != Given {
			continue
		}
		if st := foldPurpose(own, others, p.ID, at, material); st.Elsewhere {
			out = append(out, entryConflict{p.ID, here.Status, st.Status, st.Status, st.RecordID.String()})
		}
	}
	return out
}

func (r *Room) noteConflict(ctx context.Context, tx *store.Tx, set *settings, s id.Subject, members []id.Subject,
	own []Record, conflicts []entryConflict, at time.Time) error {
	newest := own[len(own)-1]
	rec := Record{
		ID: id.New(), Subject: s, Kind: ledger.ConsentConflict, Source: "merge", Deployment: newest.Deployment,
		At: at, Notice: newest.Notice, Version: newest.Version, Language: newest.Language,
	}
	e := newEntry(&rec)
	e.Actor, e.Proof = "system", proofNone
	e.Purposes = []entryPurpose{}
	e.Conflict = conflicts
	e.Notice = set.textOf(&rec)
	if err := r.append(ctx, tx, &rec, e, members, nil); err != nil {
		return err
	}
	var closed []string
	for _, c := range conflicts {
		closed = append(closed, c.Purpose)
	}
	tx.AfterCommit(func() { r.tellClosed(s, closed) })
	return nil
}

// tellClosed tells the open pages of a device which purposes are closed from now on.
func (r *Room) tellClosed(s id.Subject, purposes []string) {
	if r.bus == nil {
		return
	}
	if data, err := json.Marshal(map[string]any{"withdrawn": purposes}); err == nil {
		_ = r.bus.Publish("consent."+s.String(), data) // fire and forget, as in announce
	}
}
