package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	src := flag.String("src", "src", "folder of the sources")
	out := flag.String("out", "dist/verify.html", "file that receives the page")
	flag.Parse()
	html, err := build(*src)
	if err == nil {
		err = os.WriteFile(*out, html, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify/page:", err)
		os.Exit(1)
	}
}
