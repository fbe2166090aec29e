package consent

import "time"

// fold returns the effective states at an instant from the records of a subject, in the order of
// the ledger, and those of the other subjects of the same person. Purposes that no record mentions
// are left out: their status is Unknown.
//
// Rules:
//   - Of one subject's records the newest that mentions the purpose counts. A grant that was stamped
//     before a denial but written after it does not: whichever way two calls cross, the gate that
//     was shut from the stamp on stays shut.
//   - A refusal, withdrawal or objection that is another subject's newest word closes the purpose
//     here too. Another subject's grant opens nothing here.
//   - Past its validity a record counts as Expired and neither opens nor closes.
//   - What the controller asserts that somebody said counts from when it was recorded, and among other
//     words by when it was said: a later first-hand choice goes before it. An asserted grant opens
//     nothing that a first-hand word has closed; only the person can open that again. Of two
//     assertions the one said later counts, of two said at once the one that closes.
//   - A grant under a notice that was later replaced by a materially different one is Suspended.
func fold(own []Record, others [][]Record, at time.Time, material map[string]int) map[string]State {
	out := map[string]State{}
	for _, rec := range own {
		for _, e := range rec.Effects {
			if _, ok := out[e.Purpose]; !ok {
				out[e.Purpose] = foldPurpose(own, others, e.Purpose, at, material)
			}
		}
	}
	for _, list := range others {
		for _, rec := range list {
			for _, e := range rec.Effects {
				if _, ok := out[e.Purpose]; !ok {
					out[e.Purpose] = foldPurpose(own, others, e.Purpose, at, material)
				}
			}
		}
	}
	for p, st := range out {
		if st.Status == Unknown {
			delete(out, p)
		}
	}
	return out
}

func foldPurpose(own []Record, others [][]Record, purpose string, at time.Time, material map[string]int) State {
	st := latest(own, purpose, at, material)
	if st.Status.closes() {
		return st
	}
	for _, list := range others {
		if other := latest(list, purpose, at, material); other.Status.denies() {
			other.Elsewhere = true
			if !st.Elsewhere || other.Since.After(st.Since) {
				st = other
			}
		}
	}
	return st
}

// latest returns what one subject's records say about a purpose: the newest first-hand word and the
// newest asserted one, whichever goes before the other.
func latest(records []Record, purpose string, at time.Time, material map[string]int) State {
	own := firsthand(records, purpose, at, material)
	told := asserted(records, purpose, at)
	if told == nil {
		return own
	}
	claim := told.state(purpose, told.says(purpose), at, material)
	switch {
	case own.Status == Unknown || own.Status == Expired:
		return claim // an end of validity is nobody's word
	case !told.Said.After(own.Since):
		return own
	case told.says(purpose) == Given && own.Status.denies():
		return own
	}
	return claim
}

// asserted returns the assertion about the purpose that was said last, nil if there is none.
func asserted(records []Record, purpose string, at time.Time) *Record {
	var best *Record
	for i := range records {
		rec := &records[i]
		status := rec.says(purpose)
		if rec.Said.IsZero() || status == "" || rec.At.After(at) {
			continue
		}
		if best == nil || rec.Said.After(best.Said) ||
			rec.Said.Equal(best.Said) && (status.denies() || !best.says(purpose).denies()) {
			best = rec
		}
	}
	return best
}

// firsthand returns what the newest record about the purpose that is no assertion says.
func firsthand(records []Record, purpose string, at time.Time, material map[string]int) State {
	for i := len(records) - 1; i >= 0; i-- {
		rec := &records[i]
		if rec.At.After(at) || !rec.Said.IsZero() {
			continue
		}
		status := rec.says(purpose)
		if status == "" {
			continue
		}
		if status == Given {
			for j := range records[:i] {
				if crossed := &records[j]; crossed.At.After(rec.At) && !crossed.At.After(at) && crossed.Said.IsZero() && crossed.says(purpose).closes() {
					return crossed.state(purpose, crossed.says(purpose), at, material)
				}
			}
		}
		return rec.state(purpose, status, at, material)
	}
	return State{Purpose: purpose, Status: Unknown, Ledger: -1}
}

// says returns the status that the record gives a purpose, empty if it does not mention it.
func (rec *Record) says(purpose string) Status {
	for i := range rec.Effects {
		if rec.Effects[i].Purpose == purpose {
			return rec.Effects[i].Status
		}
	}
	return ""
}

// state returns what the record, if it is the one that counts, means at an instant.
func (rec *Record) state(purpose string, status Status, at time.Time, material map[string]int) State {
	switch {
	case !rec.Until.IsZero() && !at.Before(rec.Until):
		status = Expired
	case status == Given && rec.Version < material[rec.Notice]:
		status = Suspended
	}
	return State{
		Purpose:       purpose,
		Status:        status,
		Since:         rec.At,
		Until:         rec.Until,
		NoticeVersion: rec.Version,
		Ledger:        rec.Ledger,
		RecordID:      rec.ID,
		Asserted:      !rec.Said.IsZero(),
	}
}
