package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"probity/internal/fail"
	"probity/internal/rights"
)

// settings are what an operator decides. Each is a flag, a PROBITY_ variable and a key of the
// settings file, in this order of precedence.
type settings struct {
	Data   string `env:"PROBITY_DATA" default:"./data" placeholder:"DIR" help:"Directory of databases, log and root key."`
	Listen string `env:"PROBITY_LISTEN" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on."`

	PublicURL      string   `env:"PROBITY_PUBLIC_URL" placeholder:"URL" help:"How browsers reach this server; default is the listen address."`
	TrustedProxies []string `env:"PROBITY_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For is believed."`

	Store   string `env:"PROBITY_STORE" placeholder:"URL" help:"Main database: sqlite:FILE or postgres://…; default is a SQLite file in the data directory."`
	Vault   string `env:"PROBITY_VAULT" placeholder:"URL" help:"Database of keys, apart from the main one; default is a SQLite file in the data directory."`
	RootKey string `env:"PROBITY_ROOT_KEY" placeholder:"FILE" help:"Root key file; default is root.key in the data directory."`

	ErasureRegister string `env:"PROBITY_ERASURE_REGISTER" placeholder:"FILE" help:"Copy of the register of erasures, best where no backup of this installation is ever restored; the register itself is in the data directory."`

	LogURL      string `env:"PROBITY_LOG_URL" placeholder:"URL" help:"NATS server to use as the log; default is the one inside."`
	LogAckSync  bool   `env:"PROBITY_LOG_ACK_SYNC" help:"Confirm that the NATS servers sync every write before they acknowledge it."`
	LogMaxBytes int64  `env:"PROBITY_LOG_MAX_BYTES" default:"4294967296" help:"Bytes the log may hold; beyond that events are refused with 503, never dropped."`
	Partitions  int    `env:"PROBITY_PARTITIONS" default:"1" help:"Partitions of the log: one on one machine."`

	KEKEpoch time.Duration `name:"kek-epoch" env:"PROBITY_KEK_EPOCH" default:"168h" help:"Age at which an organisation's key is replaced and destroyed: the erasure horizon of key backups."`
	LogLevel slog.Level    `env:"PROBITY_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`

	Jurisdiction    string `env:"PROBITY_JURISDICTION" default:"EU" placeholder:"CODE" help:"Whose law consent is recorded under: a country code, or EU."`
	StorageLocation string `env:"PROBITY_STORAGE_LOCATION" default:"self-hosted" placeholder:"CODE" help:"Where the data lies, as consent records and their exports say it; best a country code."`
	Retention       string `env:"PROBITY_RETENTION" default:"P182D" placeholder:"DURATION" help:"How long data that rests on consent is kept, as consent records say it (ISO 8601)."`

	SMTPURL  string `name:"smtp-url" env:"PROBITY_SMTP_URL" placeholder:"URL" help:"Mail server that takes letters, as smtp://user:password@host:port (STARTTLS) or smtps://…; without it no letter is sent."`
	MailFrom string `name:"mail-from" env:"PROBITY_MAIL_FROM" placeholder:"ADDR" help:"Address that letters come from, such as \"Shop <privacy@shop.example>\"."`

	Witness         []string      `env:"PROBITY_WITNESS" sep:"none" placeholder:"VKEY URL" help:"Witness that cosigns this installation's logs, as its verifier key and its address; may be repeated."`
	WitnessAccept   []string      `env:"PROBITY_WITNESS_ACCEPT" sep:"none" placeholder:"VKEY" help:"Verifier key of another installation's log that this one witnesses; may be repeated."`
	CheckpointPost  []string      `env:"PROBITY_CHECKPOINT_POST" sep:"none" placeholder:"URL" help:"Address that each new checkpoint is posted to, where this installation can't change it again; may be repeated."`
	CheckpointMail  []string      `env:"PROBITY_CHECKPOINT_MAIL" sep:"none" placeholder:"ADDR" help:"Address that gets a checkpoint by mail twice a day; needs --smtp-url; may be repeated."`
	CheckpointEvery time.Duration `env:"PROBITY_CHECKPOINT_EVERY" default:"1m" help:"How often the logs are signed and checkpoints are sent, if there is something new."`
	AuditEvery      time.Duration `env:"PROBITY_AUDIT_EVERY" default:"24h" help:"How often each log examines itself."`

	ProofRetention       time.Duration `env:"PROBITY_PROOF_RETENTION" default:"26280h" help:"How long a proof of consent is kept after it has ended; 0: for ever."`
	ProofRetentionReason string        `env:"PROBITY_PROOF_RETENTION_REASON" default:"limitation period of three years" placeholder:"TEXT" help:"Why for that long; it is logged with each deletion."`

	DebugListen string `env:"PROBITY_DEBUG_LISTEN" placeholder:"ADDR" help:"Serve profiles (pprof) on this loopback address; off by default."`

	ConsentWebhook       string `env:"PROBITY_CONSENT_WEBHOOK" placeholder:"URL" help:"Address that is told when somebody takes consent back, so that other systems stop too; https."`
	ConsentWebhookSecret string `env:"PROBITY_CONSENT_WEBHOOK_SECRET" placeholder:"TEXT" help:"Secret that signs these calls, 16 characters or more."`

	OpenDSRCertificate string `name:"opendsr-certificate" env:"PROBITY_OPENDSR_CERTIFICATE" placeholder:"FILE" help:"PEM file of the certificate that signs answers to controllers who send requests as OpenDSR 2.0 has them; without it none are taken."`
	OpenDSRKey         string `name:"opendsr-key" env:"PROBITY_OPENDSR_KEY" placeholder:"FILE" help:"PEM file of its private key, RSA or ECDSA."`

	Databases string `env:"PROBITY_DATABASES" placeholder:"FILE" help:"YAML file that names the organisation's other databases by their dataset files: copies and erasures reach into them. Where they are stand in PROBITY_DSN_KEY, and PROBITY_DSN_KEY_READ for an account that only reads."`

	PushAllow []string `env:"PROBITY_PUSH_ALLOW" placeholder:"CIDR" help:"Private network that packages may be sent to when a person has their data sent elsewhere; public addresses always may."`

	WithdrawnData string `env:"PROBITY_WITHDRAWN_DATA" default:"keep" enum:"keep,erase" help:"What becomes of data whose only basis was consent that was taken back, for organisations that set nothing themselves: keep (it is read no more) or erase."`

	BootstrapClient     string `env:"PROBITY_BOOTSTRAP_CLIENT" placeholder:"ID:SECRET" help:"OAuth client with every permission, made on first start."`
	BootstrapDeployment string `env:"PROBITY_BOOTSTRAP_DEPLOYMENT" placeholder:"UUID" help:"Web deployment that allows loopback origins, made on first start."`
	restoring           bool   // a restore is under way, by this process

	BootstrapBasis string `env:"PROBITY_BOOTSTRAP_BASIS" default:"consent" placeholder:"BASIS" help:"Lawful basis of the deployment's events: consent or another one that is declared in the ledger."`
}

// settingsFile reads a flat YAML (or JSON) map from setting to value. An unknown key is an error:
// a misspelt privacy setting must not pass in silence.
func settingsFile(r io.Reader) (kong.Resolver, error) {
	values := map[string]any{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && err != io.EOF {
		return nil, fmt.Errorf("the settings file can't be read: %w", err)
	}
	return &fileResolver{values: values}, nil
}

type fileResolver struct{ values map[string]any }

// Validate refuses keys that no flag of any command has.
func (f *fileResolver) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for key := range f.values {
		if !known[strings.ReplaceAll(key, "_", "-")] {
			return fmt.Errorf("the settings file has an unknown key %q", key)
		}
	}
	return nil
}

// Resolve looks a flag up by its name, with dashes or underscores. Kong takes what it returns even if
// an environment variable has set the flag, which shall win: then there is nothing.
func (f *fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if v, ok := f.values[flag.Name]; ok {
		return v, nil
	}
	return f.values[strings.ReplaceAll(flag.Name, "-", "_")], nil
}

func (s *settings) storeURL() string { return s.database(s.Store, "probity.db") }

func (s *settings) vaultURL() string { return s.database(s.Vault, "vault.db") }

func (s *settings) database(url, file string) string {
	if url != "" {
		return url
	}
	return "sqlite:" + filepath.Join(s.Data, file)
}

func (s *settings) rootKeyFile() string {
	if s.RootKey != "" {
		return s.RootKey
	}
	return filepath.Join(s.Data, "root.key")
}

// registers are the files of the register of erasures, the installation's own first.
func (s *settings) registers() []string {
	files := []string{filepath.Join(s.Data, "erasures.register")}
	if s.ErasureRegister != "" {
		files = append(files, s.ErasureRegister)
	}
	return files
}

func (s *settings) logDir() string { return filepath.Join(s.Data, "log") }

// proxies returns the trusted proxies as prefixes.
func (s *settings) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, p := range s.TrustedProxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, fail.Field("trusted-proxies", "trusted-proxies: %q is not a network such as 10.0.0.0/8", p)
		}
		list = append(list, prefix)
	}
	return list, nil
}

// push says where packages may be sent to.
func (s *settings) push() (p rights.Push, err error) {
	for _, n := range s.PushAllow {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return p, fail.Field("push-allow", "push-allow: %q is not a network such as 10.0.0.0/8", n)
		}
		p.Allow = append(p.Allow, prefix)
	}
	return p, nil
}

// existing fails unless there is a data directory: a command about an installation must not make one
// because its path was misspelt.
func (s *settings) existing() error {
	if _, err := os.Stat(s.Data); err != nil {
		return fail.Wrap(fail.Invalid, err, "there is no data directory %s", s.Data)
	}
	return nil
}

func (s *settings) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: s.LogLevel}))
}

// configCommand prints what a server started with the same flags would run with.
type configCommand struct {
	settings `embed:""`
}

// Run prints the settings as YAML that can be used as a settings file. Secrets are left out and
// passwords in URLs are replaced.
func (c *configCommand) Run() error {
	out := []struct {
		key   string
		value any
	}{
		{"data", c.Data}, {"listen", c.Listen}, {"public-url", c.PublicURL}, {"trusted-proxies", c.TrustedProxies},
		{"store", redactURL(c.storeURL())}, {"vault", redactURL(c.vaultURL())}, {"root-key", c.rootKeyFile()}, {"erasure-register", c.ErasureRegister},
		{"log-url", redactURL(c.LogURL)}, {"log-ack-sync", c.LogAckSync}, {"log-max-bytes", c.LogMaxBytes},
		{"partitions", c.Partitions}, {"kek-epoch", c.KEKEpoch.String()}, {"log-level", c.LogLevel.String()}, {"debug-listen", c.DebugListen},
		{"smtp-url", redactURL(c.SMTPURL)}, {"mail-from", c.MailFrom},
		{"witness", c.Witness}, {"witness-accept", c.WitnessAccept}, {"checkpoint-post", c.CheckpointPost}, {"checkpoint-mail", c.CheckpointMail},
		{"checkpoint-every", c.CheckpointEvery.String()}, {"audit-every", c.AuditEvery.String()},
		{"proof-retention", c.ProofRetention.String()}, {"proof-retention-reason", c.ProofRetentionReason},
		{"jurisdiction", c.Jurisdiction}, {"storage-location", c.StorageLocation}, {"retention", c.Retention},
		{"opendsr-certificate", c.OpenDSRCertificate}, {"opendsr-key", c.OpenDSRKey}, {"databases", c.Databases}, {"push-allow", c.PushAllow}, {"withdrawn-data", c.WithdrawnData}, {"consent-webhook", redactURL(c.ConsentWebhook)},
		{"bootstrap-deployment", c.BootstrapDeployment}, {"bootstrap-basis", c.BootstrapBasis},
	}
	doc := yaml.Node{Kind: yaml.MappingNode}
	for _, kv := range out {
		var value yaml.Node
		if err := value.Encode(kv.value); err != nil {
			return err
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: kv.key}, &value)
	}
	if c.BootstrapClient != "" {
		id, _, _ := strings.Cut(c.BootstrapClient, ":")
		doc.HeadComment = "bootstrap-client is set for client " + id + "; its secret is not shown"
	}
	enc := yaml.NewEncoder(os.Stdout)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return enc.Close()
}

// redactURL replaces the password of a URL, and drops a URL that can't be read.
func redactURL(raw string) string {
	if raw == "" || strings.HasPrefix(raw, "sqlite:") {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
