package consent

import (
	"context"
	"encoding/json"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// The default purposes.
const (
	Measure   = "measure"   // page views; gate of ac('init')
	Actions   = "actions"   // custom events; gate of ac('record')
	Identity  = "identity"  // gate of ac('identify') and traits
	Predict   = "predict"   // scoring of outcomes
	Support   = "support"   // offers of help
	Sales     = "sales"     // offers of advice before buying
	Marketing = "marketing" // offers of goods and campaigns
)

// EnsureDefaults gives an organisation the default purposes and the first version of its notice, in
// English and German, if it has none. It changes nothing that is there.
func (r *Room) EnsureDefaults(ctx context.Context, t id.Tenant) error {
	return r.EnsureDefaultsFor(ctx, t, Controller{})
}

// EnsureDefaultsFor is EnsureDefaults with the controller named in the notice.
func (r *Room) EnsureDefaultsFor(ctx context.Context, t id.Tenant, c Controller) error {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return err
	}
	if len(set.purposes) > 0 && len(set.notices) > 0 {
		return nil
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		set, err := readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		if len(set.purposes) == 0 {
			set.purposes = DefaultPurposes()
			if err := r.writePurposes(ctx, tx, set.purposes); err != nil {
				return err
			}
		}
		if len(set.notices) == 0 {
			if _, err := r.publish(ctx, tx, set, Draft{Controller: c, Texts: DefaultTexts()}); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() { r.settings.Drop(t) })
		return nil
	})
	if err != nil {
		return unavailable(err, "publish the default notice")
	}
	return nil
}

// writePurposes replaces the organisation's purposes and logs them.
func (r *Room) writePurposes(ctx context.Context, tx *store.Tx, purposes []Purpose) error {
	if _, err := tx.Exec(ctx, `DELETE FROM consent_purpose WHERE tenant_id = $1`, tx.TenantID()); err != nil {
		return err
	}
	for i, p := range purposes {
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO consent_purpose (tenant_id, id, place, body) VALUES ($1, $2, $3, $4)`,
			tx.TenantID(), p.ID, i, string(body)); err != nil {
			return err
		}
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/purposes/1",
		"type":        ledger.PurposesPublished,
		"purposes":    purposes,
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.PurposesPublished, Payload: payload})
	return err
}

// DefaultPurposes returns the purposes an organisation starts with, in English and German. No
// service depends on any of them.
func DefaultPurposes() []Purpose {
	return []Purpose{
		{ID: Measure, Basis: Consent, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"See which pages are visited", "We record the pages you open, when, and how you came here. We keep a random number in a cookie to recognise this browser."},
			"de": {"Sehen, welche Seiten besucht werden", "Wir zeichnen auf, welche Seiten Sie wann öffnen und woher Sie kommen. Ein Cookie mit einer Zufallszahl erkennt diesen Browser wieder."},
		}},
		{ID: Actions, Basis: Consent, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"See what you do on a page", "We record actions such as searching, filling a basket or starting a form. We do not record what you type into form fields."},
			"de": {"Sehen, was Sie auf einer Seite tun", "Wir zeichnen Handlungen auf, etwa Suchen, Warenkorb füllen, Formular beginnen. Was Sie in Felder eintippen, zeichnen wir nicht auf."},
		}},
		{ID: Identity, Basis: Consent, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"Connect your visit with you", "If you sign in or give your e-mail address, phone or customer number, we link your visits on this device with it."},
			"de": {"Ihren Besuch mit Ihnen verbinden", "Wenn Sie sich anmelden oder E-Mail, Telefon oder Kundennummer angeben, verbinden wir Ihre Besuche auf diesem Gerät damit."},
		}},
		{ID: Predict, Basis: Consent, Profiling: true, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"Build a profile and predict what you will do", "A computer profiles your visit. It estimates how likely you are to buy or need help. You can see each estimate and why it was made."},
			"de": {"Ein Profil bilden und vorhersagen, was Sie tun", "Ein Computer bildet aus Ihrem Besuch ein Profil. Er schätzt, ob Sie kaufen oder Hilfe brauchen. Sie können jede Schätzung einsehen."},
		}},
		{ID: Support, Basis: Consent, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"Offer you help", "We may open a chat or offer a call back while you are on the site, when your visit suggests that you are stuck."},
			"de": {"Ihnen Hilfe anbieten", "Wir dürfen Ihnen auf der Website einen Chat oder Rückruf anbieten, wenn Ihr Besuch zeigt, dass Sie nicht weiterkommen."},
		}},
		{ID: Sales, Basis: Consent, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"Offer you advice before you buy", "We may offer you a talk with our sales staff while you are on the site. The pages you opened decide when."},
			"de": {"Ihnen vor dem Kauf Beratung anbieten", "Wir dürfen Ihnen auf der Website ein Gespräch mit dem Verkauf anbieten. Wann, hängt von den geöffneten Seiten ab."},
		}},
		{ID: Marketing, Basis: Consent, Sharing: true, NeededFor: []string{}, Texts: map[string]PurposeText{
			"en": {"Show you our own advertising", "We may show you offers and campaigns on this site that fit the pages you opened. We show no advertising of other companies."},
			"de": {"Ihnen eigene Werbung zeigen", "Wir dürfen Ihnen auf dieser Website Angebote zeigen, die zu den geöffneten Seiten passen. Werbung anderer Firmen zeigen wir nicht."},
		}},
	}
}

// DefaultTexts returns the prose of the default notice by language.
func DefaultTexts() map[string]Text {
	return map[string]Text{"en": english(), "de": german()}
}

func english() Text {
	return Text{
		Title: "May we record your visit?",
		Intro: "{controller} asks for your consent to record your visit and to use the record for the purposes below. " +
			"One of them builds a profile of you. You can say no: the site works the same.",
		WithdrawHint: "You can take your consent back at any time, with one click on “Privacy choices” at the bottom of each page. " +
			"What was done before stays lawful.",
		Unnamed:      "The operator of this website",
		PurposesHead: "What we ask for",
		ButtonsHead:  "Your choice",
		Labels: Labels{
			Accept: "Accept all", Reject: "Reject all", Settings: "Choose", Save: "Save my choice", Back: "Back",
			On: "On", Off: "Off", Close: "Close", Saved: "Your choice is saved.", Manage: "Privacy choices",
			WithdrawAll: "Withdraw all", Current: "Your current choice", Details: "Read the full notice",
			GPC: "Your browser sends Global Privacy Control. We treat it as a refusal of advertising.",
		},
		Sections: []Section{
			{"Who is responsible", []string{
				"{controller} is the controller: it decides why and how your data is used. You find its contact details above or on the contact page of this website.",
				"A service provider may run this software for the controller. It acts on the controller's instructions only.",
			}},
			{"What is collected, and when", []string{
				"Before you choose, nothing about your visit is recorded and nothing is kept on your device.",
				"If you accept a purpose, we record what that purpose names. This can be pages opened, page titles, search words, actions on a page and the site you came from.",
				"We also record the kind of device, the kind of browser and its language. Your internet address is shortened before anything is stored.",
				"If you reject everything, your browser keeps one entry with your choice and its date. It holds no number that could recognise you. We log the refusal without knowing whose it is.",
			}},
			{"Why, and on what legal basis", []string{
				"The purposes are listed above. Each has its own switch, and none depends on another being on.",
				"The legal basis is your consent (Article 6(1)(a) GDPR and the national rules on storing data on devices), unless a purpose above says otherwise.",
			}},
			{"Profiling", []string{
				"If you accept “Build a profile and predict what you will do”, a statistical model evaluates your visit after each step. This is profiling.",
				"It estimates how likely an outcome is, such as a purchase or a question to support. It uses the pages, actions and times of your visit.",
				"The estimate may decide whether an offer is shown to you. It has no legal effect and no similarly significant effect on you. You can ask a person to look at it.",
			}},
			{"Who receives the data", []string{
				"The controller's staff who look after the site, its support and its sales. The service provider that runs the software, if there is one.",
				"The data is not sold and not passed on for the purposes of others.",
			}},
			{"How long it is kept", []string{
				"Your choice is valid for six months (182 days). Then we ask again.",
				"Records of your visits are deleted when you ask for it, and otherwise once the controller no longer needs them for the purposes you accepted.",
				"The proof of your choice is kept as long as a claim could be made about it.",
			}},
			{"Your rights", []string{
				"You can ask to see your data, to have it corrected or erased, to have its use restricted, and to receive it in a form that machines can read.",
				"You can object to any use that does not rest on your consent. You need no account and no reason. Start on the page “Privacy choices”.",
				"You can complain to a data protection authority, in particular where you live or work.",
			}},
			{"Your proof", []string{
				"With each choice you can save a receipt. It lets you prove later, without us, what you chose and what you were shown.",
			}},
		},
	}
}

func german() Text {
	return Text{
		Title: "Dürfen wir Ihren Besuch aufzeichnen?",
		Intro: "{controller} bittet um Ihre Einwilligung, Ihren Besuch aufzuzeichnen und für die unten genannten Zwecke zu nutzen. " +
			"Bei einem davon entsteht ein Profil von Ihnen. Sie können ablehnen: Die Website funktioniert dann genauso.",
		WithdrawHint: "Sie können Ihre Einwilligung jederzeit zurücknehmen, mit einem Klick auf „Datenschutz-Auswahl“ unten auf jeder Seite. " +
			"Was bis dahin geschah, bleibt rechtmäßig.",
		Unnamed:      "Der Betreiber dieser Website",
		PurposesHead: "Worum wir bitten",
		ButtonsHead:  "Ihre Auswahl",
		Labels: Labels{
			Accept: "Alle annehmen", Reject: "Alle ablehnen", Settings: "Auswählen", Save: "Auswahl speichern", Back: "Zurück",
			On: "An", Off: "Aus", Close: "Schließen", Saved: "Ihre Auswahl ist gespeichert.", Manage: "Datenschutz-Auswahl",
			WithdrawAll: "Alles zurücknehmen", Current: "Ihre aktuelle Auswahl", Details: "Ganzen Hinweis lesen",
			GPC: "Ihr Browser sendet Global Privacy Control. Wir werten das als Ablehnung von Werbung.",
		},
		Sections: []Section{
			{"Wer verantwortlich ist", []string{
				"{controller} ist der Verantwortliche, entscheidet also, wozu und wie Ihre Daten genutzt werden. Seine Kontaktdaten stehen oben oder im Impressum dieser Website.",
				"Ein Dienstleister kann diese Software für den Verantwortlichen betreiben. Er handelt nur nach dessen Weisung.",
			}},
			{"Was wann erhoben wird", []string{
				"Bevor Sie wählen, wird nichts über Ihren Besuch aufgezeichnet und nichts auf Ihrem Gerät gespeichert.",
				"Nehmen Sie einen Zweck an, zeichnen wir auf, was dieser Zweck nennt. Das können geöffnete Seiten, Seitentitel, Suchwörter, Handlungen auf einer Seite und die Website sein, von der Sie kommen.",
				"Außerdem zeichnen wir die Art des Geräts, die Art des Browsers und dessen Sprache auf. Ihre Internetadresse wird gekürzt, bevor etwas gespeichert wird.",
				"Lehnen Sie alles ab, behält Ihr Browser einen Eintrag mit Ihrer Auswahl und dem Datum. Er enthält keine Nummer, an der man Sie wiedererkennt. Wir vermerken die Ablehnung, ohne zu wissen, von wem sie ist.",
			}},
			{"Wozu und auf welcher Rechtsgrundlage", []string{
				"Die Zwecke stehen oben. Jeder hat einen eigenen Schalter, und keiner setzt einen anderen voraus.",
				"Rechtsgrundlage ist Ihre Einwilligung (Artikel 6 Absatz 1 Buchstabe a DSGVO und die nationalen Regeln zum Speichern auf Geräten), wenn oben bei einem Zweck nichts anderes steht.",
			}},
			{"Profiling", []string{
				"Nehmen Sie „Ein Profil bilden und vorhersagen, was Sie tun“ an, bewertet ein statistisches Modell Ihren Besuch nach jedem Schritt. Das ist Profiling.",
				"Es schätzt, wie wahrscheinlich ein Ergebnis ist, etwa ein Kauf oder eine Frage an die Hilfe. Dazu dienen Seiten, Handlungen und Zeiten Ihres Besuchs.",
				"Die Schätzung kann entscheiden, ob Ihnen ein Angebot gezeigt wird. Sie hat keine rechtliche und keine ähnlich erhebliche Wirkung für Sie. Sie können verlangen, dass ein Mensch sie ansieht.",
			}},
			{"Wer die Daten erhält", []string{
				"Die Beschäftigten des Verantwortlichen, die Website, Hilfe und Verkauf betreuen. Der Dienstleister, der die Software betreibt, wenn es einen gibt.",
				"Die Daten werden nicht verkauft und nicht für Zwecke anderer weitergegeben.",
			}},
			{"Wie lange sie bleiben", []string{
				"Ihre Auswahl gilt sechs Monate (182 Tage). Dann fragen wir erneut.",
				"Aufzeichnungen Ihrer Besuche werden gelöscht, wenn Sie es verlangen, und sonst, sobald der Verantwortliche sie für die angenommenen Zwecke nicht mehr braucht.",
				"Den Nachweis Ihrer Auswahl bewahren wir auf, solange sich daraus Ansprüche ergeben können.",
			}},
			{"Ihre Rechte", []string{
				"Sie können Ihre Daten einsehen, berichtigen oder löschen lassen, ihre Nutzung einschränken lassen und sie in maschinenlesbarer Form erhalten.",
				"Sie können jeder Nutzung widersprechen, die nicht auf Ihrer Einwilligung beruht. Sie brauchen kein Konto und keinen Grund. Beginnen Sie auf der Seite „Datenschutz-Auswahl“.",
				"Sie können sich bei einer Datenschutzbehörde beschweren, vor allem dort, wo Sie wohnen oder arbeiten.",
			}},
			{"Ihr Nachweis", []string{
				"Zu jeder Auswahl können Sie einen Beleg speichern. Damit beweisen Sie später ohne uns, was Sie gewählt haben und was Ihnen gezeigt wurde.",
			}},
		},
	}
}
