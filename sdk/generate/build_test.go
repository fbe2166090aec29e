package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestDistIsWhatTheSourcesGive(t *testing.T) {
	files, err := build("../src")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("dist/%s differs from what the sources give; run go generate ./sdk", name)
		}
	}
	entries, err := os.ReadDir("../dist")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(files) {
		t.Errorf("dist holds %d files, the sources give %d", len(entries), len(files))
	}
}

func TestTheSameSourcesGiveTheSameBytes(t *testing.T) {
	first, err := build("../src")
	if err != nil {
		t.Fatal(err)
	}
	second, err := build("../src")
	if err != nil {
		t.Fatal(err)
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

func TestABrokenSourceIsReported(t *testing.T) {
	if _, err := build(t.TempDir()); err == nil {
		t.Error("a folder without sources was bundled")
	}
}
