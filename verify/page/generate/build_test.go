package main

import (
	"bytes"
	"os"
	"testing"
)

func TestThePageIsWhatTheSourcesGive(t *testing.T) {
	want, err := build("../src")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../dist/verify.html")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("dist/verify.html differs from what the sources give; run go generate ./verify/page")
	}
	for _, outside := range []string{"http://", "https://", "fetch(", "XMLHttpRequest", "import("} {
		if bytes.Contains(bytes.ReplaceAll(want, []byte("open the page from a file or over https."), nil), []byte(outside)) {
			t.Errorf("the page holds %q: it must not reach out", outside)
		}
	}
}

func TestABrokenSourceIsReported(t *testing.T) {
	if _, err := build(t.TempDir()); err == nil {
		t.Error("a folder without sources was built")
	}
}
