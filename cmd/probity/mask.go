package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"os"

	"probity/internal/fail"
)

// maskCommand masks single values, so that digests made elsewhere can be compared.
type maskCommand struct {
	Strategy  string `enum:"hash,hmac" required:"" help:"hash: hex(H(value, salt)); hmac: hex(HMAC(key, value, salt))."`
	Algorithm string `enum:"sha256,sha512" default:"sha256" help:"The digest."`
	Salt      string `help:"Follows the value."`
	Key       string `help:"The key of hmac."`
}

// Run masks one value a line from the standard input.
func (c *maskCommand) Run() error {
	if c.Strategy == "hmac" && c.Key == "" {
		return fail.New(fail.Invalid, "--strategy hmac needs --key")
	}
	make := sha256.New
	if c.Algorithm == "sha512" {
		make = sha512.New
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var h hash.Hash
		if c.Strategy == "hmac" {
			h = hmac.New(make, []byte(c.Key))
		} else {
			h = make()
		}
		h.Write(in.Bytes())
		h.Write([]byte(c.Salt))
		out.WriteString(hex.EncodeToString(h.Sum(nil)) + "\n")
	}
	if err := in.Err(); err != nil {
		return fail.Wrap(fail.Invalid, err, "read the values")
	}
	if err := out.Flush(); err != nil {
		return fail.Wrap(fail.Unavailable, err, "write the digests")
	}
	return nil
}
