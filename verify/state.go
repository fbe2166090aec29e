package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// PurposeState is what was allowed for one purpose at an instant, and the entry that decides.
type PurposeState struct {
	Subject   string    // random reference; empty: the entry names nobody
	Purpose   string    //
	Status    string    // such as ConsentGiven, the only one that allows anything
	Since     time.Time // when the deciding entry was recorded
	Until     time.Time // end of its validity; zero: none
	Entry     int64     // index of the deciding entry in the log
	ID        string    // of that entry
	Asserted  bool      // the operator says so, and nobody can prove it
	Elsewhere bool      // another device of the same person decides
}

// decision is what one entry says.
type decision struct {
	index   int64
	id      string
	subject string
	at      time.Time
	until   time.Time
	said    time.Time // zero: first-hand
	notice  string
	version float64
	says    map[string]string // status by purpose
}

// StateAt returns what was allowed at an instant, by the proved entries alone: for each reference and
// purpose the newest entry up to then that mentions it. A refusal, withdrawal or objection closes the
// purpose for all references in the file, which are those of one person; a grant opens it only where
// it was given. Past its validity an entry neither opens nor closes (ConsentExpired), and a grant
// under a notice that a materially different one has replaced is suspended (ConsentRequested).
//
// What the operator asserts that somebody said (proof_level "assertion") counts from its entry on, and
// among other words by when it is claimed to have been said: a later first-hand choice goes before it,
// and an asserted grant opens nothing that a first-hand word has closed.
//
// It can be no better than the file: an entry that is not enclosed does not count.
func (r *Report) StateAt(at time.Time) []PurposeState {
	material := map[string]float64{} // newest version by notice
	bySubject := map[string][]decision{}
	purposes := map[string]bool{}
	entries := slices.SortedFunc(slices.Values(r.Entries), func(a, b Proven) int { return cmp.Compare(a.Index, b.Index) })
	for _, e := range entries {
		v, err := parse(e.Entry)
		if err != nil {
			continue
		}
		when, err := time.Parse(time.RFC3339, textAt(v, "server_time"))
		if err != nil || when.After(at) {
			continue
		}
		switch {
		case e.Kind == "notice.published":
			if m := v.get("material"); m != nil && m.truth {
				if n := v.get("version"); n != nil {
					material[textAt(v, "id")] = max(material[textAt(v, "id")], n.number)
				}
			}
		case strings.HasPrefix(e.Kind, "consent."):
			d := decide(e.Index, v, when)
			bySubject[d.subject] = append(bySubject[d.subject], d)
			for p := range d.says {
				purposes[p] = true
			}
		}
	}
	var out []PurposeState
	for _, subject := range slices.Sorted(maps.Keys(bySubject)) {
		for _, p := range slices.Sorted(maps.Keys(purposes)) {
			st, ok := latest(bySubject[subject], p, at, material)
			if !ok || !closes(st.Status) {
				for other, list := range bySubject {
					if other == "" || other == subject || subject == "" {
						continue
					}
					if o, found := latest(list, p, at, material); found && closes(o.Status) && (!st.Elsewhere || o.Since.After(st.Since)) {
						st, ok = o, true
						st.Subject, st.Elsewhere = subject, true
					}
				}
			}
			if ok {
				out = append(out, st)
			}
		}
	}
	return out
}

func decide(index int64, v *value, when time.Time) decision {
	d := decision{index: index, id: textAt(v, "id"), subject: textAt(v, "subject"), at: when, notice: textAt(v, "notice", "id"), says: map[string]string{}}
	if until, err := time.Parse(time.RFC3339, textAt(v, "valid_until")); err == nil {
		d.until = until
	}
	if said, err := time.Parse(time.RFC3339, textAt(v, "assertion", "said_at")); err == nil {
		d.said = said
	}
	if n := v.get("notice"); n != nil {
		if version := n.get("version"); version != nil {
			d.version = version.number
		}
	}
	if list := v.get("purposes"); list != nil {
		for _, p := range list.items {
			d.says[textAt(p, "id")] = textAt(p, "state")
		}
	}
	return d
}

// latest returns what one reference's decisions about a purpose mean: the newest first-hand one, or what
// was asserted if that goes before it.
func latest(list []decision, purpose string, at time.Time, material map[string]float64) (PurposeState, bool) {
	own, ok := firsthand(list, purpose, at, material)
	told := claimed(list, purpose)
	if told == nil {
		return own, ok
	}
	claim := told.state(purpose, at, material)
	switch {
	case !ok || own.Status == "ConsentExpired":
		return claim, true
	case !told.said.After(own.Since), told.says[purpose] == "ConsentGiven" && closes(own.Status):
		return own, true
	}
	return claim, true
}

// claimed returns the assertion about the purpose that is claimed to have been said last; of two said
// at once the one that closes.
func claimed(list []decision, purpose string) *decision {
	var best *decision
	for i := range list {
		d := &list[i]
		status, ok := d.says[purpose]
		if d.said.IsZero() || !ok {
			continue
		}
		if best == nil || d.said.After(best.said) || d.said.Equal(best.said) && (closes(status) || !closes(best.says[purpose])) {
			best = d
		}
	}
	return best
}

// firsthand returns what the newest decision that is no assertion means. A grant that was stamped before a
// denial but written after it does not count: the denial does.
func firsthand(list []decision, purpose string, at time.Time, material map[string]float64) (PurposeState, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		d := &list[i]
		status, ok := d.says[purpose]
		if !ok || !d.said.IsZero() {
			continue
		}
		if status == "ConsentGiven" {
			for j := range list[:i] {
				if x := &list[j]; x.at.After(d.at) && x.said.IsZero() && ends(x.says[purpose]) {
					return x.state(purpose, at, material), true
				}
			}
		}
		return d.state(purpose, at, material), true
	}
	return PurposeState{}, false
}

func (d *decision) state(purpose string, at time.Time, material map[string]float64) PurposeState {
	status := d.says[purpose]
	switch {
	case !d.until.IsZero() && !at.Before(d.until):
		status = "ConsentExpired"
	case status == "ConsentGiven" && d.version < material[d.notice]:
		status = "ConsentRequested"
	}
	return PurposeState{Subject: d.subject, Purpose: purpose, Status: status, Since: d.at, Until: d.until, Entry: d.index, ID: d.id, Asserted: !d.said.IsZero()}
}

// ends tells whether a status takes an earlier grant's effect: a denial, or the operator's own word that
// the consent was not valid or is over.
func ends(status string) bool {
	return closes(status) || status == "ConsentInvalidated" || status == "ConsentRevoked"
}

func closes(status string) bool {
	return status == "ConsentRefused" || status == "ConsentWithdrawn" || status == "Objected"
}
