package rights

import (
	"embed"
	"slices"
	"strings"
	"sync"
)

//go:embed labels/*.json
var labelFiles embed.FS

// labels are what the parts of our own records are called in one language, by their names in JSON. nil leaves
// every name as it is.
type labels map[string]string

var allLabels = sync.OnceValue(func() map[string]words { return readWords(labelFiles, "labels") })

// labelsOf returns the labels of a language that packages are written in; nil if there are none yet.
func labelsOf(language string) labels { return labels(allLabels()[language]) }

// named is how the page calls a part of a record.
type named struct {
	Name string
	Raw  string // its name in JSON, where Name is a label; otherwise empty
}

// name returns how a part is called.
func (l labels) name(raw string) named {
	if label, ok := l[raw]; ok {
		return named{label, raw}
	}
	return named{strings.ReplaceAll(raw, "_", " "), ""}
}

// othersOwn are parts whose own parts are named by the organisation, or after things: they have no labels.
var othersOwn = []string{"attributes", "about_you", "achieved", "features"}

// below returns the reader of what stands in a part.
func (r treeReader) below(part string) treeReader {
	switch {
	case part == "purposes":
		r.labels = r.purposes
	case slices.Contains(othersOwn, part):
		r.labels, r.purposes = nil, nil
	}
	return r
}
