package binary

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// redacted runs a command line of the documentation, with the file behind '<' as its input.
func redacted(t *testing.T, dir, line string) (string, error) {
	t.Helper()
	line, file, ok := strings.Cut(line, " < ")
	w := words(line)
	if !ok || w[0] != "probity" {
		t.Fatalf("%q is no command with an input", line)
	}
	in, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, w[1:]...)
	cmd.Stdin, cmd.Env = in, environment()
	out, err := cmd.Output()
	return string(out), err
}

func TestTheCommandsOfRedactDoWhatTheirPageSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "Żółw: call +1-202-456-1414 or write to jane@example.com.\n"
	line, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"letter.txt": text, "brief.txt": "Ich heiße Jürgen Weißmüller, Tel. 0221 471108.\n",
		"messages.jsonl": string(line) + "\n\n{\"text\":\"nothing\"}\n" + string(line),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spans := `[{"start":11,"end":26,"type":"PHONE_NUMBER"},{"start":39,"end":55,"type":"EMAIL_ADDRESS"}]` + "\n"
	want := map[string]string{
		"probity redact < letter.txt":                    "Żółw: call [phone] or write to [email].\n",
		"probity redact --lang de < brief.txt":           "Ich heiße [name], Tel. [phone].\n",
		"probity redact --json < letter.txt":             spans,
		"probity redact --json --jsonl < messages.jsonl": spans + "[]\n" + spans,
	}
	blocks := fenced(documents(t)["docs/redact.md"], "sh")
	if len(blocks) != 1 {
		t.Fatalf("docs/redact.md has %d blocks of commands", len(blocks))
	}
	for _, command := range strings.Split(strings.TrimSpace(blocks[0]), "\n") {
		got, err := redacted(t, dir, command)
		if expected, ok := want[command]; !ok || err != nil || got != expected {
			t.Errorf("%s: got %q, %v; want %q", command, got, err, expected)
		}
		delete(want, command)
	}
	for command := range want {
		t.Errorf("docs/redact.md does not show %s", command)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.jsonl"), []byte("{\"text\":\"a\"}\n{\"text\":7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := redacted(t, dir, "probity redact --jsonl < bad.jsonl")
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || got != "{\"text\":\"a\"}\n" {
		t.Errorf("a line that is no object: got %q, %v", got, err)
	}
}
