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
	if st.Status.denies() {
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

// latest returns what one subject's newest record says about a purpose.
func latest(records []Record, purpose string, at time.Time, material map[string]int) State {
	for i := len(records) - 1; i >= 0; i-- {
		rec := &records[i]
		if rec.At.After(at) {
			continue
		}
		status := rec.says(purpose)
		if status == "" {
			continue
		}
		if status == Given {
			for j := range records[:i] {
				if crossed := &records[j]; crossed.At.After(rec.At) && !crossed.At.After(at) && crossed.says(purpose).denies() {
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
	}
}
