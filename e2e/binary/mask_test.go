package binary

import (
	"os/exec"
	"strings"
	"testing"
)

// The digests are those of FIPS 180-4 for abc and of RFC 4231, test case 2; a salt follows the value.
func TestValuesAreMaskedAsTheStandardsSay(t *testing.T) {
	t.Parallel()
	const jefe = "what do ya want for nothing?"
	for name, c := range map[string]struct {
		args []string
		in   string
		want string
	}{
		"hash sha256": {[]string{"--strategy", "hash", "--salt", "c"}, "ab\n", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"},
		"hash sha512": {[]string{"--strategy", "hash", "--algorithm", "sha512"}, "abc\n",
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\n"},
		"hmac sha256": {[]string{"--strategy", "hmac", "--key", "Jefe"}, jefe, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\n"},
		"hmac sha512": {[]string{"--strategy", "hmac", "--key", "Jefe", "--algorithm", "sha512", "--salt", "?"}, strings.TrimSuffix(jefe, "?") + "\n",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737\n"},
		"an empty line is a value": {[]string{"--strategy", "hash"}, "\n", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"},
	} {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"mask"}, c.args...)...)
		cmd.Stdin, cmd.Env = strings.NewReader(c.in), environment()
		out, err := cmd.Output()
		if err != nil || string(out) != c.want {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "mask", "--strategy", "hmac")
	cmd.Stdin, cmd.Env = strings.NewReader("x\n"), environment()
	if out, err := cmd.Output(); err == nil || len(out) > 0 {
		t.Errorf("without a key: %q, %v", out, err)
	}
}
