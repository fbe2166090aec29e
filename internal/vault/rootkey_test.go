package vault_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"probity/internal/fail"
	"probity/internal/vault"
)

func TestARootKeyIsMadeOnceAndReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	key, created, share, err := vault.LoadOrCreateRootKey(path)
	if err != nil || !created || share == "" {
		t.Fatalf("created %v, share of %d, %v", created, len(share), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, created, second, err := vault.LoadOrCreateRootKey(path)
	if err != nil || created || second != "" || again != key {
		t.Errorf("read again: created %v, share %q, same %v, %v", created, second, again == key, err)
	}
	fromShare, err := vault.RootKeyFromShare(share)
	if err != nil || fromShare != key {
		t.Errorf("from its share: same %v, %v", fromShare == key, err)
	}
	if err := vault.WriteRootKey(path, key); !fail.Is(err, fail.Conflict) {
		t.Errorf("overwriting a key file: %v", err)
	}
	restored := filepath.Join(t.TempDir(), "root.key")
	if err := vault.WriteRootKey(restored, fromShare); err != nil {
		t.Fatal(err)
	}
	if k, created, _, err := vault.LoadOrCreateRootKey(restored); err != nil || created || k != key {
		t.Errorf("the restored file: created %v, same %v, %v", created, k == key, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left in the folder, %v", len(entries), err)
	}
}

func TestProcessesThatStartTogetherShareOneRootKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards keys, made
		keys = map[vault.RootKey]bool{}
		made int
	)
	for range 8 {
		wg.Go(func() {
			key, created, _, err := vault.LoadOrCreateRootKey(path)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			keys[key] = true
			if created {
				made++
			}
		})
	}
	wg.Wait()
	if len(keys) != 1 || made != 1 {
		t.Errorf("%d keys, made %d times", len(keys), made)
	}
}

func TestABadKeyFileIsRefusedAndLeftAlone(t *testing.T) {
	good := filepath.Join(t.TempDir(), "root.key")
	if _, _, _, err := vault.LoadOrCreateRootKey(good); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	swapped := []byte(strings.ToUpper(string(text)))
	for name, c := range map[string]struct {
		text []byte
		mode os.FileMode
		says string
	}{
		"readable by others": {text, 0o640, "chmod 600"},
		"empty":              {nil, 0o600, "empty"},
		"something else":     {[]byte("hello"), 0o600, "not a root key file"},
		"another header":     {swapped, 0o600, "not a root key file"},
		"cut short":          {text[:len(text)-8], 0o600, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.key")
			if err := os.WriteFile(path, c.text, c.mode); err != nil {
				t.Fatal(err)
			}
			_, created, _, err := vault.LoadOrCreateRootKey(path)
			if !fail.Is(err, fail.Invalid) || created || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("created %v, %v", created, err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != string(c.text) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestAFolderThatIsMissingIsReported(t *testing.T) {
	if _, _, _, err := vault.LoadOrCreateRootKey(filepath.Join(t.TempDir(), "no", "root.key")); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAShareIsReadAsAPersonTypesItAndTypingErrorsAreFound(t *testing.T) {
	_, _, share, err := vault.LoadOrCreateRootKey(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := vault.RootKeyFromShare(share)
	if err != nil {
		t.Fatal(err)
	}
	if groups := strings.Split(share, "-"); len(groups) != 14 {
		t.Errorf("%d groups", len(groups))
	}
	sloppy := " " + strings.NewReplacer("-", "  ", "0", "o", "1", "l").Replace(strings.ToLower(share)) + "\n"
	if got, err := vault.RootKeyFromShare(sloppy); err != nil || got != want {
		t.Errorf("typed sloppily: same %v, %v", got == want, err)
	}
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(share)-1).Filter(func(i int) bool { return share[i] != '-' }).Draw(t, "at")
		letter := rapid.SampledFrom([]byte(letters)).Filter(func(b byte) bool { return b != share[at] }).Draw(t, "letter")
		typo := share[:at] + string(letter) + share[at+1:]
		if _, err := vault.RootKeyFromShare(typo); !fail.Is(err, fail.Invalid) {
			t.Errorf("a typing error at %d passed", at)
		}
	})
	for _, bad := range []string{"", "hello", share[:20], share + "-AAAA", strings.Replace(share, share[:1], "U", 1)} {
		if _, err := vault.RootKeyFromShare(bad); !fail.Is(err, fail.Invalid) {
			t.Errorf("%d characters passed", len(bad))
		}
	}
}

func TestARootKeyNeverPrintsItself(t *testing.T) {
	key := vault.RootKey{0xDE, 0xAD, 0xBE, 0xEF}
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%x %X %d %v %+v %#v %s %q", key, key, key, key, key, key, key, key), fmt.Sprintf("%v", struct{ Key vault.RootKey }{key})} {
		low := strings.ToLower(text)
		if strings.Contains(low, "dead") || strings.Contains(low, "222") {
			t.Errorf("it printed %q", text)
		}
	}
	if out, err := json.Marshal(key); err == nil {
		t.Errorf("it was encoded as %s", out)
	}
}
