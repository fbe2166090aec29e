package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/rights"
)

// maxPage bounds pageSize of the numbered listings.
const maxPage = 500

// addGDPRRequest stores a request of a data subject. It is carried out in the background; the
// answer says INITIATED. An empty body never creates anything: some clients repeat a POST without it.
func (c *call) addGDPRRequest() error {
	var body genesys.GDPRRequestBody
	if err := c.decode(&body); err != nil {
		return err
	}
	confirmed, err := c.queryBool("deleteConfirmed", false)
	if err != nil {
		return err
	}
	if body.Subject == nil {
		return fail.Field("subject", "a subject is needed")
	}
	q, ok := body.ToRequest()
	if !ok {
		return fail.Field("requestType", "requestType must be GDPR_EXPORT, GDPR_UPDATE or GDPR_DELETE")
	}
	if q.Type == rights.Erasure && !confirmed {
		return fail.New(fail.Invalid, "A GDPR_DELETE request must be confirmed with deleteConfirmed=true")
	}
	q.Channel = "api"
	q.CreatedBy = rights.Actor{Kind: "client", ID: c.who.UID}
	made, err := c.api.Rights.Submit(c.Context(), c.who.Tenant, q)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.Request(made, c.base()))
}

func (c *call) listGDPRRequests() error {
	size, number, err := c.page(25)
	if err != nil {
		return err
	}
	list, total, err := c.api.Rights.Select(c.Context(), c.who.Tenant, rights.Filter{Types: rights.Genesys}, (number-1)*size, size)
	if err != nil {
		return err
	}
	base := c.base()
	entities := make([]genesys.GDPRRequest, len(list))
	for i, q := range list {
		entities[i] = genesys.Request(q, base)
	}
	return c.reply(http.StatusOK, genesys.NewListing(entities, "/api/v2/gdpr/requests", nil, size, number, total))
}

// page reads the two parameters of a numbered listing.
func (c *call) page(byDefault int) (size, number int, err error) {
	if size, err = c.queryInt("pageSize", byDefault, maxPage); err != nil {
		return 0, 0, err
	}
	// The bound keeps offset arithmetic far from overflow; there is nothing that far out.
	number, err = c.queryInt("pageNumber", 1, 1<<30)
	return size, number, err
}

func (c *call) gdprRequest() error {
	request, err := c.pathID("requestId")
	if err != nil {
		return err
	}
	q, err := c.api.Rights.Get(c.Context(), c.who.Tenant, request)
	if err == nil && !slices.Contains(rights.Genesys, q.Type) {
		err = fail.New(fail.NotFound, "there is no such request")
	}
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.Request(q, c.base()))
}

// gdprSubjects searches for data subjects. There is one page with everything that was found, so
// that total says how many there are.
func (c *call) gdprSubjects() error {
	query := c.URL.Query()
	found, err := c.api.Rights.Search(c.Context(), c.who.Tenant, query.Get("searchType"), query.Get("searchValue"))
	if err != nil {
		return err
	}
	entities := make([]genesys.GDPRSubject, len(found))
	for i, m := range found {
		entities[i] = genesys.Subject(m.Who)
	}
	// The URIs leave the search value out: it would end up in logs of whoever follows them.
	return c.reply(http.StatusOK, genesys.Listing[genesys.GDPRSubject]{
		Entities: entities, PageSize: max(25, len(entities)), PageNumber: 1, Total: len(entities), PageCount: 1,
		SelfURI: "/api/v2/gdpr/subjects",
	})
}

// download leads to the file of an access request: with issueRedirect (the default) by a redirect,
// else by telling the address. The address works without a token for a few minutes.
func (c *call) download() error {
	pack, err := c.pathID("downloadId")
	if err != nil {
		return err
	}
	redirect, err := c.queryBool("issueRedirect", true)
	if err != nil {
		return err
	}
	// Who may read requests may fetch their results; a token alone says too little for a file with
	// everything about a person in it.
	until, mac, err := c.api.Rights.Ticket(c.Context(), c.who.Tenant, pack)
	if err != nil {
		return err
	}
	signed := url.URL{Path: "/probity/v1/downloads/" + pack.String(), RawQuery: url.Values{
		"until": {strconv.FormatInt(until, 10)}, "signature": {mac},
	}.Encode()}
	if !redirect {
		return c.reply(http.StatusOK, map[string]string{"url": c.base() + signed.String()})
	}
	c.w.Header().Set("Location", c.base()+signed.String())
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusFound)
	return nil
}

// signedDownload hands the file out to whoever has the signed link.
func (c *call) signedDownload() error {
	pack, err := c.pathID("downloadId")
	if err != nil {
		return err
	}
	query := c.URL.Query()
	until, err := strconv.ParseInt(query.Get("until"), 10, 64)
	if err != nil {
		return fail.New(fail.Forbidden, "this download link is not complete")
	}
	p, file, err := c.api.Rights.Redeem(c.Context(), pack, until, query.Get("signature"))
	if err != nil {
		return err
	}
	return c.file(p.Name, "application/zip", file)
}

// file answers with a file to keep.
func (c *call) file(name, mediaType string, data []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(data)
	return nil
}
