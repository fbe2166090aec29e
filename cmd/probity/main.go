// Command probity is predictive engagement with the rights of the visitor built in: it follows
// visitors who agreed to it, predicts outcomes, makes offers, proves every consent, and lets every
// person see, take away, correct and erase what is held.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"probity/internal/fail"
)

// version is set by the release build.
var version = "dev"

// commands is the command line, top to bottom as help prints it.
type commands struct {
	Config  kong.ConfigFlag `name:"config" placeholder:"FILE" help:"Read settings from a YAML or JSON file; flags and PROBITY_* variables win over it."`
	Version versionCommand  `cmd:"" help:"Print the version."`

	Init   initCommand   `cmd:"" help:"Make the data directory and its root key, and print the recovery share once."`
	Serve  serveCommand  `cmd:"" help:"Run Probity."`
	Demo   demoCommand   `cmd:"" help:"Run Probity with a demo shop and simulated visitors."`
	Verify verifyCommand `cmd:"" help:"Check a receipt, certificate or bundle offline."`

	Mask    maskCommand    `cmd:"" help:"Mask values, one a line, by a digest."`
	Redact  redactCommand  `cmd:"" help:"Mask personal data in text from standard input."`
	Datamap datamapCommand `cmd:"" help:"Show and erase what databases outside Probity hold about a person."`

	Replay     replayCommand  `cmd:"" help:"Bring a CSV of past events in through a running Probity."`
	Consent    consentCommand `cmd:"" help:"Bring consents in that were collected elsewhere."`
	SignIn     signInCommand  `cmd:"" name:"sign-in" help:"Print a one-time sign-in link for the console."`
	ShowConfig configCommand  `cmd:"" name:"config" help:"Print the effective settings without secrets."`
	Notice     noticeCommand  `cmd:"" help:"Take pictures of the notice."`
	Doctor     doctorCommand  `cmd:"" help:"Check engines, disk, clock and keys of a stopped installation."`
	Keys       keysCommand    `cmd:"" help:"Replace keys."`
	Backup     backupCommand  `cmd:"" help:"Copy data, log and keys to a directory, each apart."`
	Restore    restoreCommand `cmd:"" help:"Put a backup back; whoever was erased since it was made is erased again, and what was closed since is closed."`
	Recover    recoverCommand `cmd:"" help:"Write the root key file again from its recovery share."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command and returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string) int {
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("probity"),
		kong.Description("Predictive engagement with the rights of the visitor built in."),
		kong.UsageOnError(),
		kong.Configuration(settingsFile),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "probity:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "probity:", err)
		return 2
	}
	if err := command.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "probity:", err)
		if fail.Is(err, fail.Invalid) {
			return 2
		}
		return 1
	}
	return 0
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	fmt.Println("probity", version)
	return nil
}
