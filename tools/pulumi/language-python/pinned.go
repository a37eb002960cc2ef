//go:build pinned

// Package pinned names the program that this module's go.mod and go.sum pin; nothing here is ever compiled.
package pinned

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
