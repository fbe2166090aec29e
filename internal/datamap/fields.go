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
func (x *eraser) fields() []FieldCount {
	var list []FieldCount
	reach := x.g.reachable(x.req.kinds())
	for _, c := range x.g.collections {
		if !reach[c] {
			continue
		}
		for _, f := range c.leaves {
			if !f.Matches(x.e.Targets) {
				continue
			}
			masked, deleted := 0, 0
			for _, h := range x.hits[c] {
				switch {
				case h.gone:
					if x.holds(h.row, f) {
						deleted++
					}
				case h.masked && !x.namedField(c, f):
					for _, due := range h.due {
						if due == f {
							masked++
						}
					}
				}
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
	return list
}
