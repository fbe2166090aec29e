package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	src := flag.String("src", "src", "folder of the TypeScript sources")
	dist := flag.String("dist", "dist", "folder that receives the bundles")
	flag.Parse()
	if err := write(*src, *dist); err != nil {
		fmt.Fprintln(os.Stderr, "sdk:", err)
		os.Exit(1)
	}
}

// write builds the SDK and replaces the bundles in dist.
func write(src, dist string) error {
	files, err := build(src)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dist, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
