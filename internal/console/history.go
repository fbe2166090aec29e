package console

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/verify"
)

// Proofs tells what a person chose and proves it. *consent.Room satisfies it.
type Proofs interface {
	audit.Records
	PersonHistory(ctx context.Context, t id.Tenant, s id.Subject) ([]consent.Record, error)
	StateAt(ctx context.Context, t id.Tenant, s id.Subject, at time.Time) (map[string]consent.State, error)
	Bundle(ctx context.Context, t id.Tenant, subjects []id.Subject) (*verify.Bundle, error)
	Export(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID, f consent.Format, base string) (any, error)
}

// proofOf is what became of the proof of a record when it was checked for the page.
type proofOf struct {
	Holds bool
	Why   string // it does not
}

// recordView is one record as the timeline shows it.
type recordView struct {
	consent.Record
	Tag, What string        // Tag is a style
	How       string        // where and how it was said
	Asserted  bool          // somebody wrote down what the person said; no choice of theirs reached us
	Marks     []string      // what a reader must know of it
	Effects   []effectView  // by purpose
	Reason    string        // why the person objected; empty: they did not say
	Conflict  []effectView  // of a merge: what it closed
	Notice    string        // address of what was shown; empty: not ours
	Picture   string        // address of a picture of it; empty: there is none
	Dwell     time.Duration // that the notice was visible; 0: not known
	Covers    int           // stored events that were received on what it gave or took back
	Counts    bool          // it gave or took something
	Elsewhere bool          // on another device of the person
	Grants    bool          // it gave something when it was made
	Proof     proofOf
}

type effectView struct {
	Title  string
	Status consent.Status
}

// stateRow is what is allowed for one purpose, now and at another time.
type stateRow struct {
	Purpose, Title string
	Now, Then      consent.State
}

type historyPage struct {
	Subject            id.Subject
	Devices            int // of the person
	At                 string
	Asked              bool // a time was asked for
	Then               time.Time
	States             []stateRow
	Records            []recordView // newest first
	Total              int
	Older              int64 // the entry from which on older ones are; -1: none
	Formats            []consent.Format
	MayAssert, MayVoid bool // the reader may write down what the person says; end what was not valid
}

// historyRows is how many records a page lists. The proof of each is made and checked for it.
const historyRows = 25

// history shows all that a person ever chose, and whether the proofs hold.
func (k *call) history() error {
	ctx, t := k.r.Context(), k.tenant()
	s, err := id.ParseSubject(k.r.PathValue("subject"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such visitor.")
	}
	all, err := k.Proofs.PersonHistory(ctx, t, s)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fail.New(fail.NotFound, "Nothing was ever chosen under this reference. Either it never existed, or everything was erased.")
	}
	p := historyPage{Subject: s, Total: len(all), Older: -1, Formats: []consent.Format{consent.FormatReceipt, consent.FormatISO, consent.FormatISOReceipt, consent.FormatKantara, consent.FormatDPV}}
	p.MayAssert, p.MayVoid = k.staff.Can(org.PermissionAssert), k.staff.Can(org.PermissionVoid)
	titles, err := k.titles()
	if err != nil {
		return err
	}
	if err := k.states(&p); err != nil {
		return err
	}
	devices := map[id.Subject]bool{s: true}
	for i := range all {
		devices[all[i].Subject] = true
	}
	p.Devices = len(devices)
	page, err := k.historySlice(all, &p)
	if err != nil {
		return err
	}
	if err := k.timeline(&p, page, titles); err != nil {
		return err
	}
	return k.show(http.StatusOK, "consent-history", "Consent of a visitor", p)
}

// historySlice returns the records of the page, newest first.
func (k *call) historySlice(all []consent.Record, p *historyPage) ([]consent.Record, error) {
	if text := k.r.URL.Query().Get("before"); text != "" {
		before, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fail.Field("before", "This is not the number of an entry.")
		}
		n := slices.IndexFunc(all, func(r consent.Record) bool { return r.Ledger >= before })
		if n >= 0 {
			all = all[:n]
		}
	}
	page := slices.Clone(all[max(0, len(all)-historyRows):])
	if len(all) > historyRows {
		p.Older = page[0].Ledger
	}
	slices.Reverse(page)
	return page, nil
}

// dayAndTime is how browsers send a date and a time.
const dayAndTime = "2006-01-02T15:04"

// states tells what is allowed now, and at the time that the form asks for.
func (k *call) states(p *historyPage) error {
	ctx, t := k.r.Context(), k.tenant()
	now := k.Clock.Now().UTC()
	p.Then = now
	if text := k.r.URL.Query().Get("at"); text != "" {
		at, err := time.Parse(dayAndTime, text)
		if err != nil {
			at, err = time.Parse("2006-01-02T15:04:05", text)
		}
		if err != nil {
			return fail.Field("at", "This is not a date and a time such as 2026-11-22T12:00.")
		}
		p.Then, p.Asked = at, true
	}
	p.At = p.Then.Format(dayAndTime)
	today, err := k.Proofs.StateAt(ctx, t, p.Subject, now)
	if err != nil {
		return err
	}
	then, err := k.Proofs.StateAt(ctx, t, p.Subject, p.Then)
	if err != nil {
		return err
	}
	purposes, err := k.Consent.Purposes(ctx, t)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, one := range purposes {
		known[one.ID] = true
		p.States = append(p.States, stateRow{one.ID, titleOf(&one), today[one.ID], then[one.ID]})
	}
	for _, one := range sortedKeys(today) {
		if !known[one] { // of a purpose that is not there any more
			p.States = append(p.States, stateRow{one, one, today[one], then[one]})
		}
	}
	return nil
}

func sortedKeys(m map[string]consent.State) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// timeline makes and checks the proof of each record and says what it is.
func (k *call) timeline(p *historyPage, page []consent.Record, titles map[string]string) error {
	ctx, t := k.r.Context(), k.tenant()
	chain, err := k.Entries.Keys(ctx, t)
	if err != nil {
		return err
	}
	var keys []string
	for _, key := range chain.Keys {
		keys = append(keys, key.VerifierKey)
	}
	ids := make([]uuid.UUID, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	covers, err := audit.Counts(ctx, k.Proofs, k.Grounds, t, ids)
	if err != nil {
		return err
	}
	subjects := make([]id.Subject, 0, len(page))
	for i := range page {
		subjects = append(subjects, page[i].Subject)
	}
	slices.SortFunc(subjects, func(a, b id.Subject) int { return strings.Compare(a.String(), b.String()) })
	reasons, err := k.Consent.Reasons(ctx, t, slices.Compact(subjects))
	if err != nil {
		return err
	}
	pictures := map[int]map[string]string{}
	place := map[string]int{}
	for i, row := range p.States {
		place[row.Purpose] = i
	}
	for i := range page {
		rec := &page[i]
		slices.SortStableFunc(rec.Effects, func(a, b consent.Effect) int { return place[a.Purpose] - place[b.Purpose] })
		v := recordView{Record: *rec, Covers: covers[rec.ID], Reason: reasons[rec.ID], Elsewhere: rec.Subject != p.Subject}
		v.Tag, v.What = kindWords(rec)
		v.How, v.Asserted = sourceWords(rec.Source), !rec.Said.IsZero()
		v.Counts = len(rec.Effects) > 0
		for _, e := range rec.Effects {
			v.Effects = append(v.Effects, effectView{nameOf(titles, e.Purpose), e.Status})
			v.Grants = v.Grants || e.Status == consent.Given
		}
		if err := k.prove(&v, keys, titles); err != nil {
			return err
		}
		if rec.Notice == notice.ID {
			v.Notice = "/probity/v1/notices/" + rec.Notice + "/" + strconv.Itoa(rec.Version) + "/" + rec.Language
			if v.Picture, err = k.picture(pictures, rec); err != nil {
				return err
			}
		}
		p.Records = append(p.Records, v)
	}
	return nil
}

func nameOf(titles map[string]string, purpose string) string {
	if title := titles[purpose]; title != "" {
		return title
	}
	return purpose
}

// spoken is what the entry of a record says beyond the record itself.
type spoken struct {
	Actor string `json:"actor"`
	UI    *struct {
		Action  string `json:"action"`
		DwellMS int    `json:"dwell_ms"`
		Trusted bool   `json:"trusted"`
	} `json:"ui"`
	Signals struct {
		GPC bool `json:"gpc"`
		DNT bool `json:"dnt"`
	} `json:"signals"`
	Skewed    bool `json:"client_clock_skewed"`
	Assertion *struct {
		RecordedBy string `json:"recorded_by"`
		Evidence   string `json:"evidence"`
	} `json:"assertion"`
	Conflict []struct {
		Purpose   string         `json:"purpose"`
		Effective consent.Status `json:"effective"`
	} `json:"conflict"`
}

// prove makes the receipt of a record and checks it as a stranger would, with no more than the file and
// the keys of the log.
func (k *call) prove(v *recordView, keys []string, titles map[string]string) error {
	receipt, err := k.Consent.Receipt(k.r.Context(), k.tenant(), v.Subject, v.ID)
	if fail.Is(err, fail.Unavailable) {
		return err
	}
	if err != nil {
		v.Proof.Why = "It can't be made: " + messageOf(err)
		return nil
	}
	file, err := json.Marshal(receipt)
	if err != nil {
		return err
	}
	report, err := verify.File(file, keys...)
	if err != nil {
		v.Proof.Why = string(verify.ReasonOf(err))
		return nil
	}
	v.Proof.Holds = true
	var said spoken
	if err := json.Unmarshal(report.Entries[0].Entry, &said); err != nil {
		return nil // an entry of an older format is proved all the same
	}
	v.tell(&said, titles)
	if a := said.Assertion; a != nil {
		if by, ok := strings.CutPrefix(a.RecordedBy, "staff:"); ok {
			v.Marks = append(v.Marks, "recorded by "+k.who(by))
		}
		if a.Evidence != "" {
			v.Marks = append(v.Marks, "evidence: "+a.Evidence)
		}
	}
	return nil
}

// tell adds what the entry says.
func (v *recordView) tell(said *spoken, titles map[string]string) {
	if said.UI != nil {
		if action := actionWords[said.UI.Action]; action != "" {
			v.How += ", " + action
		}
		v.Dwell = time.Duration(said.UI.DwellMS) * time.Millisecond
		if !said.UI.Trusted && (v.Source == "banner" || v.Source == "preferences") {
			v.Marks = append(v.Marks, "a script made the click, not a person")
		}
	}
	if said.Signals.GPC {
		v.Marks = append(v.Marks, "the browser sent Global Privacy Control")
	}
	if said.Signals.DNT {
		v.Marks = append(v.Marks, "the browser sent Do Not Track")
	}
	if v.ConflictsWithGPC {
		v.Marks = append(v.Marks, "granted all the same")
	}
	if said.Skewed {
		v.Marks = append(v.Marks, "the browser's clock was off")
	}
	for _, c := range said.Conflict {
		v.Conflict = append(v.Conflict, effectView{nameOf(titles, c.Purpose), c.Effective})
	}
}

var actionWords = map[string]string{
	"accept_all": "“Accept all”", "reject_all": "“Reject all”", "save": "own selection", "withdraw_all": "“Withdraw all”",
}

// sourceWords say where something was said.
func sourceWords(source string) string {
	switch source {
	case "banner":
		return "In the banner"
	case "preferences":
		return "In the preference centre"
	case "form":
		return "In the privacy centre"
	case "link":
		return "Through a link"
	case "api":
		return "Through the API"
	case "expiry":
		return "Its time ran out"
	case "merge":
		return "Devices turned out to belong together"
	case "controller":
		return "By the organisation"
	case "":
		return "Not known where"
	}
	return "By " + strings.ReplaceAll(source, "_", " ")
}

// kindWords say what a record is, and in which style.
func kindWords(rec *consent.Record) (tag, words string) {
	switch rec.Kind {
	case ledger.ConsentGiven:
		return "good", "given"
	case ledger.ConsentRefused:
		return "off", "refused"
	case ledger.ConsentWithdrawn:
		return "warn", "withdrawn"
	case ledger.ConsentExpired:
		return "off", "expired"
	case ledger.ConsentObjected:
		return "warn", "objected"
	case ledger.ConsentImported:
		return "off", "written down"
	case ledger.ConsentRequested:
		return "off", "asked by letter"
	case ledger.ConsentInvalidated:
		return "bad", "found invalid"
	case ledger.ConsentRevoked:
		return "warn", "ended by the organisation"
	case ledger.ConsentConflict:
		return "warn", "devices disagreed"
	}
	_, words, _ = strings.Cut(rec.Kind, ".")
	return "warn", strings.ReplaceAll(words, "-", " ")
}

// statusWords say a status.
func statusWords(s consent.Status) string {
	switch s {
	case consent.Given:
		return "yes"
	case consent.Refused:
		return "no"
	case consent.Withdrawn:
		return "withdrawn"
	case consent.Expired:
		return "expired"
	case consent.Suspended:
		return "to be asked again"
	case consent.Objected:
		return "objected"
	case consent.Unknown, "":
		return "never asked"
	}
	return strings.ToLower(strings.TrimPrefix(string(s), "Consent"))
}

// picture returns the address of a screenshot of what was shown, if there is one.
func (k *call) picture(kept map[int]map[string]string, rec *consent.Record) (string, error) {
	of, ok := kept[rec.Version]
	if !ok {
		of = map[string]string{}
		list, err := k.Notices.Screenshots(k.r.Context(), k.tenant(), rec.Version)
		if err != nil {
			return "", err
		}
		for _, s := range list {
			of[s.Language] = "/console/notices/versions/" + strconv.Itoa(s.Version) + "/pictures/" + s.Language + "/" + s.Viewport
		}
		kept[rec.Version] = of
	}
	return of[rec.Language], nil
}

// bundle hands out one file with all proofs of a person.
func (k *call) bundle() error {
	s, err := id.ParseSubject(k.r.PathValue("subject"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such visitor.")
	}
	all, err := k.Proofs.PersonHistory(k.r.Context(), k.tenant(), s)
	if err != nil {
		return err
	}
	var subjects []id.Subject
	for i := range all {
		if !slices.Contains(subjects, all[i].Subject) {
			subjects = append(subjects, all[i].Subject)
		}
	}
	b, err := k.Proofs.Bundle(k.r.Context(), k.tenant(), subjects)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return k.attach("consent-of-a-visitor.json", data)
}
