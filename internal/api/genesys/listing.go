package genesys

import (
	"net/url"
	"strconv"
)

// Listing is a page of a listing with numbered pages. Pages outside of the range are empty, never an
// error.
type Listing[T any] struct {
	Entities    []T    `json:"entities"`
	PageSize    int    `json:"pageSize"`
	PageNumber  int    `json:"pageNumber"`
	Total       int    `json:"total"`
	PageCount   int    `json:"pageCount"`
	FirstURI    string `json:"firstUri,omitempty"`
	NextURI     string `json:"nextUri,omitempty"`
	PreviousURI string `json:"previousUri,omitempty"`
	LastURI     string `json:"lastUri,omitempty"`
	SelfURI     string `json:"selfUri,omitempty"`
}

// NewListing builds the page number (from 1) of a listing at path. The URIs repeat the query's other
// parameters.
func NewListing[T any](entities []T, path string, query url.Values, size, number, total int) Listing[T] {
	if entities == nil {
		entities = []T{}
	}
	count := (total + size - 1) / size
	p := Listing[T]{Entities: entities, PageSize: size, PageNumber: number, Total: total, PageCount: count}
	at := func(n int) string {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		q.Set("pageSize", strconv.Itoa(size))
		q.Set("pageNumber", strconv.Itoa(n))
		return path + "?" + q.Encode()
	}
	p.FirstURI, p.SelfURI, p.LastURI = at(1), at(number), at(max(count, 1))
	if number < count {
		p.NextURI = at(number + 1)
	}
	if number > 1 {
		p.PreviousURI = at(number - 1)
	}
	return p
}
