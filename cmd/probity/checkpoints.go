package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"probity/internal/fail"
	"probity/verify"
)

// follow adds the keys that follow from a trusted one, and says how.
func (c *verifyCommand) follow() error {
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
	if !slices.ContainsFunc(periods, func(p verify.Period) bool { return slices.Contains(c.Key, p.Key) }) {
		return fail.New(fail.Conflict, "%s does not name a key that you trust: give one with --key", c.Keys)
	}
	for _, p := range periods {
		c.Key = append(c.Key, p.Key)
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
func (c *verifyCommand) checkpoints() (done bool, err error) {
	data, err := readFile(c.File)
	if err != nil || !verify.IsCheckpoints(data) {
		return false, err
	}
	report, evidence, err := verify.Checkpoints(data, c.Key...)
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
	signed, err := verify.Cosignatures(data, c.Witness...)
	if err != nil {
		return true, fail.Wrap(fail.Conflict, err, "%s does NOT verify", c.File)
	}
	if len(signed) < len(c.Witness) {
		return true, fail.New(fail.Conflict, "%s is signed by %d of the %d witnesses that you named", c.File, len(signed), len(c.Witness))
	}
	fmt.Printf("%s verifies.\n%s", c.File, report)
	for _, s := range signed {
		fmt.Printf("✓ Witness %s saw this as the largest tree of the log at %s.\n", s.Name, s.Time.Format(time.RFC3339))
	}
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
