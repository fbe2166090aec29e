package datamap

// FieldCount says what was done with one field of a collection, and in how many rows. Zero is a
// statement too: the field was looked at, and held nothing of the person's alone.
type FieldCount struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Did        string `json:"did"` // a strategy, "deleted", or "none"
	Rows       int    `json:"rows"`
}

// fields counts what was done, field by field, for every targeted field that the identities lead to.
// Primary keys stay as they are unless their rows go, and are left out then.
func (x *eraser) fields() ([]FieldCount, error) {
	var list []FieldCount
	reach := x.g.reachable(x.req.kinds())
	for _, c := range x.g.collections {
		if !reach[c] {
			continue
		}
		maskedIn, deletedIn := map[*Field]int{}, map[*Field]int{}
		err := x.hits[c].each(func(rows []*hit) error {
			for _, h := range rows {
				switch {
				case h.gone:
					for _, f := range c.leaves {
						if x.holds(h.row, f) {
							deletedIn[f]++
						}
					}
				case h.masked:
					for _, f := range h.due {
						maskedIn[f]++
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, f := range c.leaves {
			if !f.Matches(x.e.Targets) {
				continue
			}
			masked, deleted := maskedIn[f], deletedIn[f]
			if x.namedField(c, f) {
				masked = 0
			}
			did := x.usual[f]
			if did == "" {
				did = x.e.Strategy
			}
			switch {
			case masked > 0:
				list = append(list, FieldCount{c.String(), f.Name(), did, masked})
				if deleted > 0 {
					list = append(list, FieldCount{c.String(), f.Name(), "deleted", deleted})
				}
			case deleted > 0:
				list = append(list, FieldCount{c.String(), f.Name(), "deleted", deleted})
			case !f.PrimaryKey:
				list = append(list, FieldCount{c.String(), f.Name(), "none", 0})
			}
		}
	}
	return list, nil
}
