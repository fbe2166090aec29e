package main

import (
	"context"
	"fmt"
	"os"

	"probity/internal/replay"
)

// replayCommand brings history in over the public import endpoint.
type replayCommand struct {
	File        string `arg:"" type:"existingfile" help:"CSV file of events."`
	Map         string `required:"" type:"existingfile" placeholder:"FILE" help:"Map file (YAML): which column is what, which events are outcomes, on what lawful basis."`
	Server      string `env:"PROBITY_SERVER" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The running Probity."`
	Client      string `env:"PROBITY_CLIENT" required:"" placeholder:"ID:SECRET" help:"OAuth client with the permission journey:event:add; better set in the environment."`
	State       string `placeholder:"FILE" help:"Where progress is kept; default beside the CSV."`
	Restart     bool   `help:"Begin at the first row whatever the state says."`
	SkipInvalid bool   `help:"Count and leave out rows that are no events, instead of stopping."`
}

// Run replays the file and prints what was done, also when it ends early.
func (c *replayCommand) Run(ctx context.Context) error {
	summary, err := replay.Run(ctx, replay.Options{
		File: c.File, Map: c.Map, Server: c.Server, Client: c.Client,
		State: c.State, Restart: c.Restart, SkipInvalid: c.SkipInvalid, Progress: os.Stderr,
	})
	if summary != nil {
		fmt.Println(summary)
	}
	return err
}
