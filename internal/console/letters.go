package console

import (
	"strings"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// optInWay sends the letter of a double opt-in: what the person then confirms is first-hand.
func optInWay() *way {
	return &way{
		path: "/console/consent/ways/optin", title: "Send a letter to agree by", verb: "Send the letter",
		lead: "The person gets one letter with a link. Nothing is allowed until they confirm; what they confirm is their own word.",
		form: (*call).optInForm, check: (*call).checkOptIn, do: (*call).sendOptIn,
	}
}

// parentWay asks a holder of parental responsibility (Art. 8).
func parentWay() *way {
	return &way{
		path: "/console/consent/ways/parent", title: "Ask a parent", verb: "Send the letter",
		lead: "The holder of parental responsibility gets one letter with a link. Nothing is allowed for the child until they confirm.",
		form: (*call).parentForm, check: (*call).checkParent, do: (*call).sendParent,
	}
}

// letter are the fields that both letters have: what for, and in which words.
func (k *call) letter() ([]group, error) {
	boxes, err := k.ticks(nil)
	if err != nil {
		return nil, err
	}
	where, err := k.deployments("deployment", true)
	if err != nil {
		return nil, err
	}
	editions, err := k.Answers.Editions(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	if len(editions) == 0 {
		return nil, fail.New(fail.Conflict, "No notice is published. Publish one first: the letter is about it.")
	}
	return []group{{"What is asked", "Only what the person wants. Nothing is said about the others.", boxes}, {"The letter", "It is about the newest notice.", []field{k.languages(editions[0].Languages), where}}}, nil
}

func (k *call) optInForm() ([]group, error) {
	rest, err := k.letter()
	return append([]group{{"The person", "", []field{
		{Name: "email", Label: "E-mail address", Help: "Kept sealed until it is confirmed, and deleted after seven days if it is not.", Value: k.line("email")},
	}}}, rest...), err
}

func (k *call) parentForm() ([]group, error) {
	rest, err := k.letter()
	if err != nil {
		return nil, err
	}
	band := field{Name: "age_band", Label: "Age of the child", Kind: "pick", Value: k.line("age_band")}
	for _, b := range consent.Bands() {
		band.Picks = append(band.Picks, picks(band.Value, b, b)...)
	}
	child := append(k.person(), band, field{Name: "country", Label: "Country", Help: "Two letters, such as DE. It decides from which age a child agrees alone.", Value: k.line("country")})
	return append([]group{{"The child", "", child}, {"The parent", "", []field{
		{Name: "parent_email", Label: "E-mail address of the parent", Help: "Deleted when they answer, and after seven days if they do not.", Value: k.line("parent_email")},
	}}}, rest...), nil
}

// question is what both letters ask, read from the form.
func (k *call) question() (deployment uuid.UUID, purposes []string, c *checked, err error) {
	purposes, names, err := k.ticked()
	if err != nil {
		return deployment, nil, nil, err
	}
	if deployment, err = k.deployment(); err != nil {
		return deployment, nil, nil, err
	}
	lang := k.line("language")
	c = &checked{Facts: []fact{{"Asked", strings.Join(names, "; ")}, {"Language", notice.LanguageName(lang)}, {"Can be answered", span(consent.AskLife)}}}
	if k.line("nonce") != "" {
		return deployment, purposes, c, nil // the letter is sent now
	}
	editions, err := k.Answers.Editions(k.r.Context(), k.tenant())
	if err != nil {
		return deployment, nil, nil, err
	}
	if len(editions) == 0 {
		return deployment, nil, nil, fail.New(fail.Conflict, "No notice is published. Publish one first.")
	}
	nonce, err := k.Ways.NonceUnseen(k.r.Context(), k.tenant(), consent.NonceFor{Deployment: deployment, NoticeID: notice.ID, Version: editions[0].Version, Language: lang})
	if fail.Is(err, fail.NotFound) {
		err = fail.Field("language", "The notice is not published in this language. Choose one of the list.")
	}
	c.Keep = map[string]string{"nonce": nonce}
	return deployment, purposes, c, err
}

func (k *call) checkOptIn() (*checked, error) {
	if k.line("email") == "" {
		return nil, fail.Field("email", "Write the address that the letter goes to.")
	}
	_, _, c, err := k.question()
	if err == nil {
		c.Facts = append([]fact{{"Letter to", k.line("email")}}, c.Facts...)
	}
	return c, err
}

func (k *call) sendOptIn() (string, error) {
	deployment, purposes, _, err := k.question()
	if err != nil {
		return "", err
	}
	_, err = k.Ways.RequestOptIn(k.r.Context(), k.tenant(), consent.OptIn{
		Deployment: deployment, Nonce: k.line("nonce"), Email: k.line("email"), Purposes: purposes, By: k.actor(),
	})
	return "/console/consent/ways?done=sent", sentOnce(err)
}

// sentOnce takes a second press of the button for what it is.
func sentOnce(err error) error {
	if e, ok := err.(*fail.Error); ok && e.Code == "consent.nonce.used" {
		return nil
	}
	return err
}

func (k *call) child() (consent.Child, error) {
	c := consent.Child{
		Age: consent.Age{Band: k.line("age_band"), Country: strings.ToUpper(k.line("country"))}, Parent: k.line("parent_email"), Nonce: k.line("nonce"), By: k.actor(),
	}
	var err error
	if c.Who, c.Subject, err = k.named(); err != nil {
		return c, err
	}
	if c.Parent == "" {
		return c, fail.Field("parent_email", "Write the address that the letter goes to.")
	}
	return c, c.Age.Check()
}

func (k *call) checkParent() (*checked, error) {
	child, err := k.child()
	if err != nil {
		return nil, err
	}
	if !child.Age.Minor() {
		return nil, fail.Field("age_band", "At this age the person decides alone in that country. Ask them, not a parent.")
	}
	_, _, c, err := k.question()
	if err == nil {
		c.Facts = append([]fact{{"Letter to", child.Parent}, {"Age of the child", child.Age.Band + ", " + child.Age.Country}}, c.Facts...)
	}
	return c, err
}

func (k *call) sendParent() (string, error) {
	child, err := k.child()
	if err != nil {
		return "", err
	}
	if child.Deployment, child.Purposes, _, err = k.question(); err != nil {
		return "", err
	}
	_, err = k.Ways.AskParent(k.r.Context(), k.tenant(), child)
	if e, ok := err.(*fail.Error); ok && e.Field == "email" {
		err = fail.Field("parent_email", "%s", e.Message)
	}
	return k.after(id.Subject{}, "sent"), sentOnce(err)
}
