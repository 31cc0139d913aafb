package rialto_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// program is a program of the documentation, and what it says to print.
var program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```\n+```text\n(.*?)```")

const documented = "http://127.0.0.1:7400"

func TestTheProgramsOfTheDocumentationRun(t *testing.T) {
	page, err := os.ReadFile("../../docs/clients/go.md")
	if err != nil {
		t.Skip("the documentation stands in the repository alone")
	}
	url := startNode(t)
	programs := program.FindAllStringSubmatch(string(page), -1)
	if count := strings.Count(string(page), "```go\n"); len(programs) != count {
		t.Fatalf("%d of %d programs are whole and say what they print", len(programs), count)
	}
	for index, found := range programs {
		binary := built(t, strings.ReplaceAll(found[1], documented, url))
		run := exec.Command(binary)
		var complaints bytes.Buffer
		run.Stderr = &complaints
		printed, err := run.Output()
		if err != nil || string(printed) != found[2] {
			t.Errorf("program %d: %v\n%s\nprinted %q, not %q", index+1, err, complaints.String(), printed, found[2])
		}
	}
}

// built compiles a program as an application outside of this module has it.
func built(t *testing.T, source string) string {
	t.Helper()
	client, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, requires, _ := strings.Cut(string(module), "\n\n")
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	mod := "module program\n\n" + requires + "\nrequire rialto.dev/client v0.0.0\nreplace rialto.dev/client => " + client + "\n"
	for name, content := range map[string]string{"go.mod": mod, "go.sum": string(sums), "main.go": source} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "program", ".")
	build.Dir = folder
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, said, source)
	}
	return filepath.Join(folder, "program")
}
