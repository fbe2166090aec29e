package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"probity/internal/fail"
)

// RootKey opens everything in the vault. Whoever loses it loses all personal data; whoever has it
// and the vault's database reads all personal data. It never prints itself.
type RootKey [32]byte

// Format keeps the key out of logs, whatever verb is used.
func (RootKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(root key)") }

// MarshalText refuses, so that no encoder writes the key by accident.
func (RootKey) MarshalText() ([]byte, error) {
	return nil, errors.New("a root key can't be written as text")
}

// Derive returns a key for a purpose of its own, that says nothing about the root key. It is for what
// must be recognised for as long as the root key is there; data is never sealed under it, because a key
// that can be computed again can't be destroyed.
func (k RootKey) Derive(purpose string) []byte {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("probity/root/" + purpose))
	return h.Sum(nil)
}

// keyFileHeader starts a key file, so that a person who finds one knows what it is.
const keyFileHeader = "probity root key v1: keep secret, keep a copy apart from the backups\n"

// LoadOrCreateRootKey reads the key file at path. If there is none, it makes a random key and writes
// it (mode 0600, on disk before it returns); then created is true and share holds the recovery share
// to show once and to keep on paper. The folder must exist.
//
// Errors: fail.Invalid if the file is no key file or others may read it, fail.Unavailable if it
// can't be read or written. A file that exists is never overwritten.
func LoadOrCreateRootKey(path string) (key RootKey, created bool, share string, err error) {
	key, err = loadRootKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, "", err
	}
	if _, err := rand.Read(key[:]); err != nil {
		return RootKey{}, false, "", fail.Wrap(fail.Unavailable, err, "the system gives no randomness")
	}
	share = encodeShare(key)
	err = writeExclusive(path, keyFileHeader+share+"\n")
	if errors.Is(err, fs.ErrExist) {
		// Another process was faster; its key counts.
		key, err = loadRootKey(path)
		return key, false, "", err
	}
	if err != nil {
		return RootKey{}, false, "", fail.Wrap(fail.Unavailable, err, "the root key can't be written")
	}
	return key, true, share, nil
}

// loadRootKey reads a key file; the error is fs.ErrNotExist when there is none.
func loadRootKey(path string) (RootKey, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return RootKey{}, err
	}
	if err != nil {
		return RootKey{}, fail.Wrap(fail.Unavailable, err, "the root key can't be read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return RootKey{}, fail.Wrap(fail.Unavailable, err, "the root key can't be read")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return RootKey{}, fail.New(fail.Invalid, "the root key %s may be read by others: run `chmod 600` on it", path)
	}
	var text [512]byte
	n, err := f.Read(text[:])
	if err != nil && n == 0 {
		return RootKey{}, fail.New(fail.Invalid, "the root key %s is empty; restore it from its recovery share", path)
	}
	body, ok := strings.CutPrefix(string(text[:n]), keyFileHeader)
	if !ok {
		return RootKey{}, fail.New(fail.Invalid, "%s is not a root key file", path)
	}
	key, err := RootKeyFromShare(body)
	clear(text[:])
	if err != nil {
		return RootKey{}, fail.Wrap(fail.Invalid, err, "the root key %s is damaged; restore it from its recovery share", path)
	}
	return key, nil
}

// WriteRootKey writes key to a new key file at path, to restore it from a recovery share. It fails
// with fail.Conflict when the file exists.
func WriteRootKey(path string, key RootKey) error {
	err := writeExclusive(path, keyFileHeader+encodeShare(key)+"\n")
	if errors.Is(err, fs.ErrExist) {
		return fail.New(fail.Conflict, "%s exists already; move it away first", path)
	}
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the root key can't be written")
	}
	return nil
}

// writeExclusive writes a new file so that, whatever happens, path holds either all of it or nothing.
// The error is fs.ErrExist when path exists.
func writeExclusive(path, text string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".root-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the link is the file; a leftover name is harmless
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// shareCode is Crockford's base 32: no I, L, O and U, so that nothing is mistaken on paper.
var shareCode = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// encodeShare writes a key and its checksum as fourteen groups of four characters.
func encodeShare(key RootKey) string {
	sum := shareSum(key)
	text := shareCode.EncodeToString(append(bytes.Clone(key[:]), sum[:]...))
	var b strings.Builder
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(text[i:min(i+4, len(text))])
	}
	return b.String()
}

// RootKeyFromShare reads a recovery share as a person types it: any case, with or without dashes and
// spaces, O for 0, I or L for 1. A typing error is found by the checksum (fail.Invalid).
func RootKeyFromShare(share string) (RootKey, error) {
	plain := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\n', '\r':
			return -1
		case 'o', 'O':
			return '0'
		case 'i', 'I', 'l', 'L':
			return '1'
		}
		return r
	}, share)
	var key RootKey
	sum := shareSum(key)
	raw, err := shareCode.DecodeString(strings.ToUpper(plain))
	if err != nil || len(raw) != len(key)+len(sum) {
		return RootKey{}, fail.Field("share", "a recovery share has 14 groups of 4 letters and digits; this has %d characters", len(plain))
	}
	copy(key[:], raw)
	sum = shareSum(key)
	if subtle.ConstantTimeCompare(sum[:], raw[len(key):]) != 1 {
		return RootKey{}, fail.Field("share", "the recovery share holds a typing error")
	}
	return key, nil
}

// shareSum is the checksum of a share; 24 bits miss one typing error in sixteen million.
func shareSum(key RootKey) (sum [3]byte) {
	h := sha256.New()
	h.Write([]byte("probity/vault/share/v1"))
	h.Write(key[:])
	copy(sum[:], h.Sum(nil))
	return sum
}
