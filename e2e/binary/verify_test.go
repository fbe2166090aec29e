package binary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The two commands of docs/verify.md that need a log with a history of its own: one whose key was
// replaced, and which a witness has cosigned.
func TestTheVerifyPageFollowsAReplacedKeyAndCountsItsWitnesses(t *testing.T) {
	var commands [][]string
	for _, block := range fenced(documents(t)["docs/verify.md"], "text") {
		commands = append(commands, words(strings.TrimSpace(block)))
	}
	if len(commands) != 2 {
		t.Fatalf("docs/verify.md has %d such commands", len(commands))
	}
	b, bURL := installation(t)
	a, aURL := installation(t)
	other := b.start(t)
	bWitness := other.witnessKey(t)
	other.stop(t)
	s := a.start(t)
	aWitness := s.witnessKey(t)
	before := s.choose(t)
	s.stop(t)
	if out, said, err := command(t, nil, "keys", "rotate-log", "--data", a.data, "--public-url", aURL, "--reason", "a new year"); err != nil {
		t.Fatalf("%v\n%s%s", err, out, said)
	}
	s = a.start(t)
	after := s.choose(t)
	if after.key == before.key {
		t.Fatal("the log has the key it had before")
	}
	keys := s.do(t, "GET", after.path+"/keys", "").want(t, 200).body
	s.stop(t)
	// A place that doesn't answer is left alone for a minute, so the witness is up before it is asked.
	b.flags = append(b.flags, "--witness-accept", after.key)
	other = b.start(t)
	defer other.stop(t)
	a.flags = append(a.flags, "--witness", bWitness+" "+bURL+"/probity/v1/witness")
	s = a.start(t)
	defer s.stop(t)

	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("receipt.json", after.receipt)
	write("keys.json", keys)
	verified := func(line []string, named map[string]string) (out, said string, err error) {
		args := make([]string, 0, len(line)-1)
		for _, one := range line[1:] {
			if v, ok := named[one]; ok {
				one = v
			}
			args = append(args, one)
		}
		return run(t, nil, dir, args...)
	}
	followed, witnessed := commands[0], commands[1]
	out, said, err := verified(followed, map[string]string{"OLD-KEY": before.key})
	if err != nil || !strings.Contains(out, "both keys signed that") || !strings.Contains(out, "receipt.json verifies") {
		t.Errorf("%v\n%s%s", err, out, said)
	}
	if out, said, err := verified(followed, map[string]string{"OLD-KEY": bWitness}); err == nil || !strings.Contains(said, "can't be followed") {
		t.Errorf("from a key of somebody else: %v\n%s%s", err, out, said)
	}
	if out, said, err := run(t, nil, dir, "verify", "--key", before.key, "receipt.json"); err == nil || !strings.Contains(said, "wrong key") {
		t.Errorf("with the old key alone: %v\n%s%s", err, out, said)
	}
	eventually(t, "a checkpoint that is cosigned", func() bool {
		s.proof(t, after)
		write("receipt.json", after.receipt)
		out, said, err = verified(witnessed, map[string]string{"LOG-KEY": after.key, "KEY-A": bWitness, "KEY-B": aWitness})
		return err == nil
	})
	if !strings.Contains(out, "which you know, saw the tree of") {
		t.Errorf("%v\n%s%s", err, out, said)
	}
	witnessed[len(witnessed)-2] = "2"
	if out, said, err := verified(witnessed, map[string]string{"LOG-KEY": after.key, "KEY-A": bWitness, "KEY-B": aWitness}); err == nil || !strings.Contains(said, "not witnessed") {
		t.Errorf("two witnesses of one: %v\n%s%s", err, out, said)
	}
}
