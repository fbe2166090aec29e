package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"probity/verify"
)

func TestL12_AStrangerGetsCheckpointKeysProofsAndTiles(t *testing.T) {
	h := newHouse(t)
	h.visitor(t)
	log := "/probity/v1/logs/" + h.tenant.String()
	c := h.do(t, "GET", log+"/checkpoint", "").want(t, 200)
	key, err := h.ledger.VerifierKey(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	at, err := verify.OpenCheckpoint(c.body, key)
	if err != nil {
		t.Fatal(err)
	}
	if c.header.Get("Cache-Control") != "public, max-age=5" || c.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("headers: %v", c.header)
	}
	if _, periods, err := verify.ParseKeychain(h.do(t, "GET", log+"/keys", "").want(t, 200).body); err != nil || periods[0].Key != key {
		t.Errorf("%+v, %v", periods, err)
	}
	n := at.Tree.N
	tile := h.do(t, "GET", fmt.Sprintf("%s/tile/0/000.p/%d", log, n), "").want(t, 200)
	if int64(len(tile.body)) != 32*n || !strings.Contains(tile.header.Get("Cache-Control"), "31536000") {
		t.Errorf("%d bytes, %v", len(tile.body), tile.header)
	}
	leaf := tlog.Hash(tile.body[32:64])
	for _, entry := range []string{"1", base64.RawURLEncoding.EncodeToString(leaf[:])} {
		p, err := verify.ParseProof(string(h.do(t, "GET", log+"/inclusion/"+entry, "").want(t, 200).body))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p.Path, n, at.Tree.Hash, 1, leaf); err != nil || p.Index != 1 {
			t.Errorf("%s: %v", entry, err)
		}
	}
	var x struct{ Proof []tlog.Hash }
	if err := json.Unmarshal(h.do(t, "GET", fmt.Sprintf("%s/consistency/%d/%d", log, 1, n), "").want(t, 200).body, &x); err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(x.Proof, n, at.Tree.Hash, 1, tlog.Hash(tile.body[:32])); err != nil {
		t.Error(err)
	}
	if again := h.do(t, "GET", fmt.Sprintf("%s/checkpoints/%d", log, n), "").want(t, 200); string(again.body) != string(c.body) {
		t.Error("the checkpoint of that size is another one")
	}
	for path, status := range map[string]int{
		"/tile/0/000": 404, "/tile/0/000.p/0": 404, "/tile/0/000.p/255": 404, "/tile/0/0": 404, "/tile/00/000.p/1": 404, "/tile/0/x000/000.p/1": 404,
		"/tile/0/000/000.p/1": 404, "/tile/0/-01.p/1": 404, "/tile/9/000.p/1": 404, "/tile/entries/000.p/1": 404,
		"/consistency/0/1": 400, "/consistency/2/1": 400, "/consistency/1/99999": 404, "/consistency/01/2": 400,
		"/inclusion/99999": 404, "/inclusion/-1": 404, "/inclusion/x": 400, "/checkpoints/99999": 404,
		"/inclusion/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA": 404,
	} {
		h.do(t, "GET", log+path, "").want(t, status)
	}
	for _, path := range []string{"/checkpoint", "/keys", "/inclusion/0", "/consistency/1/1", "/tile/0/000.p/1"} {
		h.do(t, "GET", "/probity/v1/logs/0194a1b2-0000-7000-8000-0000000000ff"+path, "").want(t, 404)
		h.do(t, "GET", "/probity/v1/logs/nobody"+path, "").want(t, 404)
	}
}

func TestAWitnessRequestThatIsNoneIsRefused(t *testing.T) {
	h := newHouse(t)
	key := strings.TrimSpace(string(h.do(t, "GET", "/probity/v1/witness/key", "").want(t, 200).body))
	if _, err := verify.NewCosignatureVerifier(key); err != nil {
		t.Error(err)
	}
	h.do(t, "POST", "/probity/v1/witness/add-checkpoint", "old 0\n").want(t, 400)
	h.do(t, "POST", "/probity/v1/witness/add-checkpoint", strings.Repeat("x", 70<<10)).want(t, 413)
	h.visitor(t)
	signed, err := h.ledger.Checkpoint(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, "POST", "/probity/v1/witness/add-checkpoint", "old 0\n\n"+string(signed)).want(t, 404)
}

func TestStaffSeeHowTheLogStands(t *testing.T) {
	h := newHouse(t)
	h.visitor(t)
	a := h.call(t, "GET", "/probity/v1/ledger/health", "").want(t, 200)
	if a.at("log") != h.tenant.String() || a.at("size").(float64) < 2 || a.at("lost") != 0.0 {
		t.Errorf("got %s", a.body)
	}
}
