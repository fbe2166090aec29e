package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/mail"
	"probity/internal/store"
	"probity/internal/witness"
)

// publish prepares what sends checkpoints away and examines the logs.
func (r *rooms) publish(s *settings) error {
	d := witness.Deps{
		DB: r.db, Ledger: r.ledger, Clock: r.clock, Logger: r.log, Posts: s.CheckpointPost,
		Mails: s.CheckpointMail, Mailer: letters{r.mail},
		Audits:   []func(context.Context, id.Tenant) error{r.consent.Audit},
		Warnings: []func(context.Context, id.Tenant) ([]string, error){r.consent.Warnings},
	}
	for _, text := range s.Witness {
		p, err := witness.ParsePeer(text)
		if err != nil {
			return err
		}
		d.Witnesses = append(d.Witnesses, p)
	}
	for _, address := range s.CheckpointPost {
		if err := witness.ValidURL("checkpoint-post", address); err != nil {
			return err
		}
	}
	if len(s.CheckpointMail) > 0 && !r.mail.Enabled() {
		return fail.Field("checkpoint-mail", "checkpoint-mail: no mail server is set; name one with --smtp-url and --mail-from")
	}
	for name, every := range map[string]time.Duration{"checkpoint-every": s.CheckpointEvery, "audit-every": s.AuditEvery} {
		if every < time.Second {
			return fail.Field(name, "%s: it must be at least a second", name)
		}
	}
	if s.ProofRetention != 0 && s.ProofRetention < 24*time.Hour {
		return fail.Field("proof-retention", "proof-retention: a proof must be kept for at least a day; 0 keeps it for ever")
	}
	r.publisher, r.upkeep = witness.NewPublisher(d), upkeep{
		publish: s.CheckpointEvery, audit: s.AuditEvery,
		retire: consent.Retirement{After: s.ProofRetention, Reason: s.ProofRetentionReason, Needed: r.proofNeeded},
	}
	return nil
}

// letters sends checkpoints through the room that sends mail.
type letters struct{ room *mail.Room }

// Send implements witness.Mailer.
func (l letters) Send(ctx context.Context, t id.Tenant, to, subject, text string) error {
	return l.room.Send(ctx, t, mail.Letter{To: to, Topic: "checkpoint", Subject: subject, Text: text, Language: "en"})
}

// upkeep is how often, and after what time, the logs are looked after.
type upkeep struct {
	publish time.Duration
	audit   time.Duration
	retire  consent.Retirement
}

// resumeLogs holds every log to what it has published before anything new gets into it: one whose
// database was restored from an older copy goes on under a new name.
func (r *rooms) resumeLogs(ctx context.Context) error {
	tenants, err := r.tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		b, err := r.ledger.Resume(ctx, t)
		if fail.Is(err, fail.Conflict) {
			// It can't be appended to, but people must be able to read and to withdraw.
			r.log.Error("a log is damaged; restore the database from a backup", "tenant", t, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if b != nil {
			r.log.Error("the database is older than what was published of a log; it goes on under a new name",
				"tenant", t, "name", b.To, "lost", b.Lost, "first", b.First)
		}
	}
	return nil
}

// openLogs makes this installation a witness, and asks its own witnesses whether they saw more of the
// logs than database and vault remember. One that does not answer within five seconds is asked later.
func (r *rooms) openLogs(ctx context.Context, s *settings) (err error) {
	name := logOrigin(s.PublicURL) + "/witness"
	if r.witness, err = witness.New(r.keys, r.tenant, name, r.clock, s.WitnessAccept...); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tenants, err := r.tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := r.publisher.Ask(soon, t); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// keepPublic signs the logs and sends their checkpoints away, and audits them, each when it is due, until
// ctx ends.
func (r *rooms) keepPublic(ctx context.Context) error {
	clock.Every(ctx, r.clock, r.upkeep.publish, func(ctx context.Context) {
		r.forEachTenant(ctx, "publish the log", r.publisher.Round)
		r.forEachTenant(ctx, "audit the log", r.auditLog)
	})
	return nil
}

// retireEvery is how often proofs are looked at. They are kept for days at least.
const retireEvery = time.Hour

// keepProofs deletes proofs when they are no longer needed, until ctx ends.
func (r *rooms) keepProofs(ctx context.Context) error {
	if r.upkeep.retire.After == 0 {
		return nil
	}
	clock.Every(ctx, r.clock, retireEvery, func(ctx context.Context) {
		r.forEachTenant(ctx, "delete proofs that are no longer needed", r.retireProofs)
	})
	return nil
}

func (r *rooms) auditLog(ctx context.Context, t id.Tenant) error {
	due, err := r.publisher.AuditDue(ctx, t, r.upkeep.audit)
	if err != nil || !due {
		return err
	}
	_, err = r.publisher.SelfAudit(ctx, t)
	return err
}

func (r *rooms) retireProofs(ctx context.Context, t id.Tenant) error {
	for {
		n, err := r.consent.Retire(ctx, t, r.upkeep.retire)
		if err != nil || n == 0 {
			return err
		}
	}
}

// proofNeeded tells whether what consent was proved for is still stored, or is to be kept for a claim.
func (r *rooms) proofNeeded(ctx context.Context, tx *store.Tx, subjects []id.Subject) (bool, error) {
	stored, err := r.journey.Holds(ctx, tx, subjects)
	if err != nil || stored {
		return stored, err
	}
	return r.rights.MustStay(ctx, tx, subjects)
}

// rotateLogCommand gives the logs new signing keys. It may run beside a server on the same databases:
// that reads which key is due each time it signs.
type rotateLogCommand struct {
	settings `embed:""`
	Reason   string `required:"" placeholder:"TEXT" help:"Why the key is replaced; it is logged."`
}

// Run replaces the keys and prints the new ones.
func (c *rotateLogCommand) Run(ctx context.Context) error {
	if err := c.existing(); err != nil {
		return err
	}
	e, err := openKeys(ctx, &c.settings, c.logger())
	if err != nil {
		return err
	}
	defer e.close()
	r, err := furnish(ctx, e, &c.settings)
	if err != nil {
		return err
	}
	tenants, err := r.tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		h, err := r.ledger.RotateKey(ctx, t, c.Reason)
		if err != nil {
			return err
		}
		fmt.Printf("%s\nsigns trees of %d entries and more. Give it to the log's witnesses.\n", h.New, h.From)
	}
	return nil
}
