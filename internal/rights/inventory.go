package rights

import (
	"context"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/store"
)

// Strategy is what an erasure does with what a store holds.
type Strategy string

// The strategies.
const (
	Delete       Strategy = "delete"       // rows are deleted and overwritten
	DestroyKey   Strategy = "destroy key"  // what remains is ciphertext that nothing opens
	Redact       Strategy = "redact"       // the person's part is taken out of what others keep
	Pseudonymise Strategy = "pseudonymise" // what remains leads to nobody
	Keep         Strategy = "keep"         // an article allows it; see Place.Article
	Nobodys      Strategy = "nobody's"     // holds nothing of data subjects
)

// Place is one place that Probity itself keeps something in, and what becomes of it. Inventory lists all
// of them.
type Place struct {
	Store    string        `json:"store"`            // as reports name it
	Where    string        `json:"where"`            // main database, vault, log, files, memory
	Tables   []string      `json:"tables,omitempty"` // of the database
	Files    []string      `json:"-"`                // of access packages, which hold what is there
	What     string        `json:"what"`
	Strategy Strategy      `json:"strategy"`
	Kept     string        `json:"kept"`                    // how long without an erasure, in words
	Within   time.Duration `json:"-"`                       // surely gone so long after it came in; 0: that is not sure
	Article  string        `json:"article,omitempty"`       // for what is kept after an erasure
	Erased   string        `json:"after_erasure,omitempty"` // what remains, where that is not nothing
	Days     int           `json:"-"`                       // for which it is kept at most; 0: no number is set
	Proof    bool          `json:"-"`                       // kept as long as the proof of a choice
}

// thirtyDays is the period of the rule that what expires anyway may be left out of an answer. Here it is
// included all the same, and named with its date.
const thirtyDays = 30 * day

// Inventory lists every table, file and memory that Probity keeps something in, in the order in which
// an erasure goes through them. A test holds it to the databases: a table that nobody declared here
// fails it.
func Inventory() []Place {
	const (
		mainDB, vaultDB = "main database", "vault"
		claims          = "Art. 5(2), 7(1), 17(3)(e)"
		life            = "until it is erased; there is no further limit"
		settings        = "until it is changed"
	)
	return []Place{
		{Store: "identities", Where: mainDB, Tables: []string{"subject", "subject_identity"}, Files: []string{"identities/identifiers"}, Strategy: Delete, Kept: life,
			What: "who is who: random references, and identifiers sealed beside their keyed digests"},
		{Store: "identities", Where: mainDB, Tables: []string{"subject_suppression", "journey_erased"}, Strategy: Keep, Kept: life,
			What:    "keyed digests of identifiers and references of those who were erased",
			Article: "Art. 5(1)(f), 17(1)", Erased: "they are what an erasure leaves, so that late data is refused"},
		{Store: "keys", Where: vaultDB, Tables: []string{"subject_key"}, Strategy: Delete, Kept: "as long as what is sealed under them",
			What: "the key of each data subject, and of each request"},
		{Store: "keys", Where: vaultDB, Tables: []string{"subject_shredded", "erasure_applied"}, Strategy: Keep, Kept: life,
			What:    "references whose key was destroyed, and which erasures the vault knows",
			Article: "Art. 5(1)(f), 17(1)", Erased: "random references that lead nowhere"},
		{Store: "keys", Where: vaultDB, Tables: []string{"tenant_key", "tenant_secret", "vault_root", "log_key", "log_published", "log_witnessed", "register_mark"},
			Strategy: Nobodys, Kept: "organisations' keys are replaced each epoch and destroyed", What: "keys of organisations and logs, checkpoints"},
		{Store: "ledger", Where: mainDB, Tables: []string{"ledger_payload"}, Strategy: Delete, Kept: "until the proof's own period ends (--proof-retention)",
			What: "salt and content of entries of the log, sealed under the person's key"},
		{Store: "ledger", Where: mainDB, Tables: []string{"ledger_entry"}, Strategy: Pseudonymise, Kept: "for as long as the log",
			What: "commitments", Article: claims, Erased: "random values once content and salt are deleted"},
		{Store: "ledger", Where: mainDB, Tables: []string{"ledger_head", "ledger_checkpoint", "ledger_cosignature", "ledger_key"},
			Strategy: Nobodys, Kept: "for as long as the log", What: "the log's signatures"},
		{Store: "consent", Where: mainDB, Tables: []string{"consent_record", "consent_objection", "consent_once", "consent_link"}, Strategy: Delete,
			Files: []string{"consent/state", "consent/history", "consent/receipts"}, Proof: true,
			Kept: "until the proof's own period ends (--proof-retention)", What: "choices, objections and their reasons, assertions, links that take consent back"},
		{Store: "consent", Where: mainDB, Tables: []string{"consent_ask"}, Strategy: Delete, Within: consent.AskLife, Kept: "seven days, then the address is deleted",
			Files: []string{"consent/asked"}, Days: int(consent.AskLife / (24 * time.Hour)),
			What: "letters that ask to confirm, of people and parents who have not answered"},
		{Store: "consent", Where: mainDB, Tables: []string{"consent_tally", "consent_rate", "consent_wait", "consent_shown"}, Strategy: Pseudonymise, Kept: life,
			What: "counts of answers and of notices shown, by day", Erased: "counts, which follow nobody"},
		{Store: "consent", Where: mainDB, Tables: []string{"consent_nonce"}, Strategy: Nobodys, Within: consent.NonceLife + time.Hour, Kept: "25 hours",
			What: "which answers to notices were used, by digests"},
		{Store: "consent", Where: mainDB, Tables: []string{
			"consent_age_gate", "consent_basis", "consent_build", "consent_draft", "consent_look", "consent_notice", "consent_purpose", "consent_screenshot",
			"consent_script", "consent_theme", "consent_version"}, Strategy: Nobodys, Kept: settings, What: "notices, purposes, declared bases, themes"},
		{Store: "journey", Where: mainDB, Tables: []string{"journey_session", "journey_chunk", "journey_action", "journey_visitor"}, Strategy: Delete,
			Files: []string{"journey/traits", "journey/events", "journey/visits", "journey/offers", "journey-session-store"},
			Kept:  "as many months as the published notice says (retention_months); where it says none, until it is erased", What: "visits, events, offers of chats, callbacks and content, and the visitor's state, all sealed"},
		{Store: "journey", Where: mainDB, Tables: []string{"journey_count"}, Strategy: Pseudonymise, Kept: life, What: "counts by day", Erased: "counts, which follow nobody"},
		{Store: "journey", Where: mainDB, Tables: []string{"journey_config"}, Strategy: Nobodys, Kept: settings, What: "outcomes, segments, action maps"},
		{Store: lessonsName, Where: mainDB, Tables: []string{"predict_visit"}, Files: []string{"predict/visits"}, Days: 180, Strategy: Delete, Kept: "180 days", What: "counters of finished visits that models learn from"},
		{Store: lessonsName, Where: mainDB, Tables: []string{"predict_model", "predict_state", "predict_outcome"}, Strategy: Delete, Kept: "until the next training",
			What: "models", Erased: "models trained anew without the person, with a proof"},
		{Store: "downstream", Where: mainDB, Tables: []string{"downstream_told"}, Files: []string{"downstream/told"}, Strategy: Delete, Kept: life, What: "which other systems were told of a withdrawal, and what they answered"},
		{Store: "withdrawn", Where: mainDB, Tables: []string{"withdrawn_duty"}, Files: []string{"withdrawn/deleted"}, Strategy: Delete, Kept: life, What: "what a withdrawal made due, and what was done"},
		{Store: "withdrawn", Where: mainDB, Tables: []string{"withdrawn_policy"}, Strategy: Nobodys, Kept: settings, What: "what becomes of data with its consent"},
		{Store: "letters", Where: mainDB, Tables: []string{"mail_letter"}, Strategy: Delete, Kept: "until the letter is sent; one that can't be sent, until it is erased",
			What: "letters that wait, sealed"},
		{Store: "statements", Where: mainDB, Tables: []string{"rights_statement"}, Files: []string{"rectification/statements"}, Strategy: Delete, Kept: life, What: "what a person had added to their data, sealed"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_package", "rights_package_part"}, Strategy: Delete, Within: maxPackageDays * day, Kept: "14 days, or as the organisation sets it, up to 30",
			What: "packages made for the person"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_request_subject", "rights_request_digest", "rights_code", "rights_restriction", "rights_hold"},
			Strategy: Delete, Kept: "until 14 days after the request is finished, or its package ends if that is later; restrictions and holds until they are lifted", What: "whom requests, restrictions and holds are about"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_request", "rights_trail", "rights_download", "rights_delivery", "rights_once", "rights_policy", "rights_hold_record"},
			Files: []string{"rights/requests"}, Strategy: Redact, Kept: life, What: "requests: type, dates, kinds of identifiers without values, counts, certificates; what they say of a person is sealed and deleted",
			Article: "Art. 5(2), 12(3)", Erased: "that there was a request, and how it ended"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_erasure"}, Strategy: Keep, Kept: life, What: "which entries of the register the database knows",
			Article: "Art. 5(1)(f), 17(1)", Erased: "random references that lead nowhere, and keyed digests"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_setting", "rights_masking_rule", "rights_recipient", "rights_database_check", "rights_kept", "rights_register_mark"}, Strategy: Nobodys, Kept: settings, What: "rules of requests and of masking, who receives data, how other databases stood"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_told"}, Strategy: Redact, Kept: life, What: "which recipients were told of a request, and what they answered",
			Article: "Art. 5(2), 19", Erased: "the message, sealed under a key of its own, until it was told or is given up; then that it was told"},
		{Store: "requests", Where: mainDB, Tables: []string{"opendsr_request"}, Strategy: Keep, Kept: life, What: "numbers of requests that came over OpenDSR, and what the sender was told of their state",
			Article: "Art. 5(2), 12(3)", Erased: "the numbers, which name nobody"},
		{Store: "requests", Where: mainDB, Tables: []string{"rights_hold_digest"}, Strategy: Keep, Kept: "until the hold is lifted", What: "keyed digests of people whose data is held for legal claims",
			Article: "Art. 17(3)(e)", Erased: "a hold stands against the erasure; they go when it is lifted"},
		{Store: "organisation", Where: mainDB, Tables: []string{"organisation", "deployment", "oauth_client", "oauth_token", "staff", "staff_link", "staff_session"},
			Strategy: Nobodys, Kept: settings, What: "the organisation, its staff and programs; no data subjects"},
		{Store: "operation", Where: mainDB, Tables: []string{"worker_incident", "worker_partition", "witness_audit", "witness_outcome"}, Strategy: Nobodys, Kept: life,
			What: "how far the log is processed, incidents, examinations"},
		{Store: "log", Where: "log", Strategy: DestroyKey, Kept: "until it is processed, as a rule within a second",
			What: "events that were accepted, sealed under the person's key", Erased: "ciphertext until it is trimmed"},
		{Store: "register", Where: "files", Strategy: Keep, Kept: "as long as there are backups", What: "erasures.register and its copy: erasures, and what was closed, restricted, held or corrected",
			Article: "Art. 5(1)(f), 17(1)", Erased: "random references that lead nowhere, and keyed digests"},
		{Store: "backups", Where: "files", Strategy: DestroyKey, Kept: "as the operator decides; of the vault no longer than one epoch",
			What: "copies of databases and log", Erased: "ciphertext, whose keys end with the epoch"},
		{Store: "live state", Where: "memory", Strategy: Delete, Kept: "as long as the visit, or as it is used", What: "visitors who are on the site, caches of keys, identities and choices"},
	}
}

// Expiring is something that ends by itself within thirty days. It is part of the answer all the same.
type Expiring struct {
	Store string `json:"store"`
	What  string `json:"what"`
	By    string `json:"by"` // date by which it is surely gone
}

// expiring names what the subjects have that ends by itself within thirty days, and the date by which.
func (r *Room) expiring(ctx context.Context, t id.Tenant, subjects []id.Subject) (list []Expiring, err error) {
	held := map[string]int64{}
	var packages int64 // when the last of them ends
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(held)
		packages = 0
		rows, err := rowsOf(ctx, tx, subjects)
		if err != nil {
			return err
		}
		for _, c := range rows {
			held[c.What] += c.N
		}
		var requests []uuid.UUID
		if err := requestsOf(ctx, tx, subjects, func(request uuid.UUID, _ id.Subject) { requests = append(requests, request) }); err != nil {
			return err
		}
		for _, request := range requests {
			var n int64
			var until int64
			if err := tx.QueryRow(ctx, `
				SELECT count(*), coalesce(max(expires_at), 0) FROM rights_package WHERE tenant_id = $1 AND request_id = $2`,
				t, request[:]).Scan(&n, &until); err != nil {
				return err
			}
			held["rights_package"] += n
			packages = max(packages, until)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	for _, p := range Inventory() {
		if p.Within <= 0 || p.Within > thirtyDays {
			continue
		}
		for _, table := range p.Tables {
			if held[table] > 0 {
				by := now.Add(p.Within)
				if table == "rights_package" {
					by = micro(packages)
				}
				list = append(list, Expiring{p.Store, p.What, by.UTC().Format(time.DateOnly)})
				break
			}
		}
	}
	return list, nil
}
