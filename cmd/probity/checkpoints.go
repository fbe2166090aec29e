package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"probity/internal/fail"
	"probity/verify"
)

// follow adds the keys that follow from a trusted one, and says how.
func (c *verifyCommand) follow(trust *verify.Trust) error {
	if c.Keys == "" {
		return nil
	}
	data, err := readFile(c.Keys)
	if err != nil {
		return err
	}
	_, periods, err := verify.ParseKeychain(data)
	if err != nil {
		return fail.Wrap(fail.Conflict, err, "%s does NOT verify", c.Keys)
	}
	if err := trust.Follow(periods); err != nil {
		return fail.Wrap(fail.Conflict, err, "%s can't be followed: give a key that you trust with --key", c.Keys)
	}
	for _, p := range periods {
		h := p.Handover
		if h == nil {
			continue
		}
		fmt.Printf("✓ On %s the key of the log was %s: both keys signed that.\n", h.Time.Format("2 January 2006"), h.Kind)
		if first, n := h.Lost(); n > 0 {
			fmt.Printf("? The log was restored from an older copy then: %d entries from number %d on are no longer part of it. Receipts for them still hold.\n", n, first)
		}
	}
	return nil
}

// checkpoints verifies a file of signed checkpoints; done tells whether it is one.
func (c *verifyCommand) checkpoints(trust verify.Trust) (done bool, err error) {
	data, err := readFile(c.File)
	if err != nil || !verify.IsCheckpoints(data) {
		return false, err
	}
	report, evidence, err := trust.Checkpoints(data)
	if evidence != nil && c.Evidence != "" {
		b, err := json.MarshalIndent(evidence, "", "  ")
		if err == nil {
			err = os.WriteFile(c.Evidence, append(b, '\n'), 0o644)
		}
		if err != nil {
			return true, err
		}
	}
	if err != nil {
		return true, fail.Wrap(fail.Conflict, err, "%s does NOT verify", c.File)
	}
	fmt.Printf("%s verifies.\n%s", c.File, report)
	return true, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, verify.MaxFile+1))
}
