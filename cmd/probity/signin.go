package main

import (
	"context"
	"fmt"
	"strings"
)

// signInCommand is how staff get in: whoever can read the data directory can make a link.
type signInCommand struct {
	settings `embed:""`
}

// Run prints a link that works once, for fifteen minutes.
func (c *signInCommand) Run(ctx context.Context) error {
	if err := c.existing(); err != nil {
		return err
	}
	e, err := openKeys(ctx, &c.settings, c.logger())
	if err != nil {
		return err
	}
	defer e.close()
	r, err := furnish(ctx, e, &c.settings)
	if err != nil {
		return err
	}
	base := c.PublicURL
	if base == "" {
		base = "http://" + c.Listen
	}
	link, err := r.signInLink(ctx, base)
	if err != nil {
		return err
	}
	fmt.Println(link)
	return nil
}

// signInLink returns the address of the console that signs the owner in, once.
func (r *rooms) signInLink(ctx context.Context, base string) (string, error) {
	token, err := r.org.IssueLink(ctx, r.tenant)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(base, "/") + "/console/sign-in?token=" + token, nil
}
