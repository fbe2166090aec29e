package console

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// secondAndTime is dayAndTime with seconds, as browsers send what has them.
const secondAndTime = "2006-01-02T15:04:05"

// recordWay writes down what somebody said on the telephone, on paper, in a chat or elsewhere.
func recordWay() *way {
	return &way{
		path: "/console/consent/ways/record", title: "Record what somebody said", verb: "Record it",
		lead: "It is recorded as an assertion: your word that the person said it. It never counts as the person's own proof.",
		form: (*call).recordForm, check: (*call).checkSaid, do: (*call).recordSaid,
	}
}

// endWay writes down that somebody took consent back, or objected.
func endWay() *way {
	return &way{
		path: "/console/consent/ways/end", title: "End a consent at the person's request", verb: "End it",
		lead: "It counts at once, on all devices of the person. It is recorded as an assertion: your word that the person said it.",
		form: (*call).endForm, check: (*call).checkSaid, do: (*call).recordSaid,
	}
}

var channelWords = map[string]string{
	"phone": "By phone", "paper": "On paper", "chat": "In a chat", "form": "In a form elsewhere", "import": "Kept by another system",
}

// circumstances are the fields for how, where and when it was said, and what shows it.
func (k *call) circumstances() ([]field, error) {
	channel := field{Name: "channel", Label: "How it was said", Kind: "pick", Value: cmp.Or(k.line("channel"), "phone")}
	for _, c := range consent.Channels() {
		channel.Picks = append(channel.Picks, picks(channel.Value, c, cmp.Or(channelWords[c], c))...)
	}
	where, err := k.deployments("deployment", false)
	return []field{
		channel,
		{Name: "said_at", Label: "When it was said (UTC)", Help: "Empty: just now.", Kind: "when", Value: k.line("said_at")},
		{Name: "evidence", Label: "Where the evidence is kept", Help: "A recording, a sheet, a chat: its number or place, nothing personal. Without it you will hardly be able to demonstrate the consent (Art. 7(1)).", Value: k.line("evidence")},
		where,
	}, err
}

func (k *call) recordForm() ([]group, error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	var said []field
	for _, p := range purposes {
		f := field{Name: "purposes." + p.ID, Label: titleOf(&p), Kind: "pick", Value: k.line("purposes." + p.ID)}
		f.Picks = picks(f.Value, "", "not spoken of", "yes", "yes", "no", "no")
		said = append(said, f)
	}
	editions, err := k.Answers.Editions(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	version := field{Name: "version", Label: "Notice that was read or shown", Kind: "pick", Value: k.line("version")}
	var newest []string
	for i, e := range editions {
		if i == 0 {
			newest = e.Languages
			if k.line("key") == "" {
				version.Value = strconv.Itoa(e.Version)
			}
		}
		version.Picks = append(version.Picks, picks(version.Value, strconv.Itoa(e.Version), fmt.Sprintf("Version %d", e.Version))...)
	}
	version.Picks = append(version.Picks, picks(version.Value, "", "none: the words below")...)
	how, err := k.circumstances()
	if err != nil {
		return nil, err
	}
	out := []group{
		{"What the person said", "Ask about each purpose by itself. What was not spoken of stays as it is.", said},
		{"What the person was told before", "", []field{
			version, k.languages(newest),
			{Name: "text", Label: "The words that were read or shown instead", Help: "Only if no published notice was used. Nothing personal.", Kind: "area", Rows: 4, Value: k.line("text")},
			{Name: "explicit", Label: "It was said in words or writing, not shown by conduct", Kind: "check", Value: k.line("explicit")},
		}},
		{"How", "", how},
	}
	if who := k.person(); who != nil {
		out = append([]group{{"The person", "", who}}, out...)
	}
	return out, nil
}

func (k *call) endForm() ([]group, error) {
	given := map[string]bool{}
	if s, err := id.ParseSubject(cmp.Or(k.line("subject"), k.r.URL.Query().Get("subject"))); err == nil && !s.IsZero() {
		states, err := k.Consent.State(k.r.Context(), k.tenant(), s)
		if err != nil {
			return nil, err
		}
		for p, st := range states {
			given[p] = st.Status == consent.Given
		}
	}
	boxes, err := k.ticks(func(p string) bool { return given[p] })
	if err != nil {
		return nil, err
	}
	how, err := k.circumstances()
	if err != nil {
		return nil, err
	}
	boxes = append(boxes, field{Name: "objection", Label: "The person objects, whatever the basis is (Art. 21)", Kind: "check", Value: k.line("objection")})
	out := []group{{"What is not to be done any more", "No reason is needed, and none is to be asked for.", boxes}, {"How", "", how}}
	if who := k.person(); who != nil {
		out = append([]group{{"The person", "", who}}, out...)
	}
	return out, nil
}

// assertion reads the form. A form without a version or text is one that ends something.
func (k *call) assertion() (a consent.Assertion, err error) {
	a = consent.Assertion{
		Channel: k.line("channel"), Purposes: map[string]bool{}, Objection: k.line("objection") != "", Text: strings.TrimSpace(k.r.PostFormValue("text")),
		Language: k.line("language"), RecordedBy: k.actor(), Evidence: k.line("evidence"), Explicit: k.line("explicit") != "", Key: "console:" + k.line("key"),
	}
	if a.Who, a.Subject, err = k.named(); err != nil {
		return a, err
	}
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	if err != nil {
		return a, err
	}
	for _, p := range purposes {
		switch k.line("purposes." + p.ID) {
		case "yes":
			a.Purposes[p.ID] = true
		case "no", "on":
			a.Purposes[p.ID] = false
		}
	}
	if len(a.Purposes) == 0 {
		return a, fail.Field("purposes", "Say for at least one purpose what the person said.")
	}
	if version := k.line("version"); version != "" {
		a.Notice = notice.ID
		if a.Version, err = strconv.Atoi(version); err != nil {
			return a, fail.Field("version", "Choose the version of the notice that was read or shown.")
		}
	}
	if a.Said, err = k.when("said_at"); err != nil {
		return a, err
	}
	a.Deployment, err = k.deployment()
	return a, err
}

// when reads a date and a time; empty is now.
func (k *call) when(name string) (time.Time, error) {
	text := k.line(name)
	if text == "" {
		return k.Clock.Now().UTC(), nil
	}
	for _, form := range []string{dayAndTime, secondAndTime, time.RFC3339Nano} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fail.Field(name, "This is not a date and a time such as 2026-11-22T12:00. Leave it empty if it was said just now.")
}

func (k *call) checkSaid() (*checked, error) {
	a, err := k.assertion()
	if err != nil {
		return nil, err
	}
	seen, err := k.Ways.Foresee(k.r.Context(), k.tenant(), a)
	if err != nil {
		return nil, renamed(err)
	}
	titles, err := k.titles()
	if err != nil {
		return nil, err
	}
	c := &checked{
		Facts: []fact{
			{"Recorded as", "assertion, never as first-hand"}, {"By", k.staff.Name},
			{"How", cmp.Or(channelWords[a.Channel], a.Channel)}, {"Said", a.Said.Format("2 Jan 2006 15:04:05") + " UTC"},
		},
		Keep: map[string]string{"said_at": a.Said.Format(time.RFC3339Nano)},
	}
	switch {
	case a.Text != "":
		c.Facts = append(c.Facts, fact{"Read or shown", a.Text}, fact{"Language", notice.LanguageName(a.Language)})
	case a.Notice != "":
		c.Facts = append(c.Facts, fact{"Read or shown", fmt.Sprintf("notice version %d, %s", a.Version, notice.LanguageName(a.Language))})
	}
	if a.Evidence != "" {
		c.Facts = append(c.Facts, fact{"Evidence", a.Evidence})
	} else {
		c.Warnings = append(c.Warnings, "It is not said where evidence is kept. If the person disputes it, nothing but your word stands (Art. 7(1)).")
	}
	if !seen.Known {
		c.Warnings = append(c.Warnings, "Nobody is known by this yet. A new reference will be made for the person.")
	}
	for _, f := range seen.Purposes {
		one := foreseen{Title: nameOf(titles, f.Purpose), Before: f.Before.Status, After: f.After.Status}
		switch {
		case f.Stays() && f.Yes && f.After.Status != consent.Suspended:
			one.Stays = "The person said no in their own words. Only they can open it again: send them a letter."
		case f.Stays() && f.Yes:
			one.Stays = "The notice has changed since. The person has to be asked under the new one."
		case f.Stays():
			one.Stays = "The person agreed in their own words after this. Ask when they took it back."
		}
		c.Foreseen = append(c.Foreseen, one)
	}
	return c, nil
}

func (k *call) recordSaid() (string, error) {
	if k.line("key") == "" || k.line("said_at") == "" {
		return "", fail.New(fail.Invalid, "The page that was sent is not whole. Check it once more.")
	}
	a, err := k.assertion()
	if err != nil {
		return "", err
	}
	done, err := k.Ways.Assert(k.r.Context(), k.tenant(), a)
	if err != nil {
		return "", renamed(err)
	}
	return k.after(done.Subject, "recorded"), nil
}

// renamed brings a fault to the field of the form that it is about.
func renamed(err error) error {
	if e, ok := err.(*fail.Error); ok && e.Field == "notice" {
		return fail.Field("version", "%s", e.Message)
	}
	return err
}
