package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(text(t, "deploy/Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Error(parsed.Warnings)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// last is the instruction of this kind that holds in the image.
func last[T instructions.Command](t *testing.T) T {
	t.Helper()
	all := stages(t)
	commands := all[len(all)-1].Commands
	slices.Reverse(commands)
	for _, command := range commands {
		if wanted, is := command.(T); is {
			return wanted
		}
	}
	var none T
	t.Fatalf("the image has no %T", none)
	return none
}

func entrypoint(t *testing.T) []string {
	t.Helper()
	return last[*instructions.EntrypointCommand](t).CmdLine
}

func TestTheImageIsOfOneProgramAndNotOfRoot(t *testing.T) {
	all, user := stages(t), last[*instructions.UserCommand](t).User
	if user != "65532:65532" || !slices.Equal(entrypoint(t), []string{"/usr/local/bin/rialto"}) {
		t.Errorf("%s runs %v", user, entrypoint(t))
	}
	if health := last[*instructions.HealthCheckCommand](t).Health.Test; health[len(health)-1] != "http://127.0.0.1:7400/healthz" {
		t.Errorf("its health is asked for by %v", health)
	}
	for _, stage := range all {
		if !strings.Contains(stage.BaseName, ":") || strings.HasSuffix(stage.BaseName, ":latest") {
			t.Errorf("%s may be anything", stage.BaseName)
		}
	}
	compiler := "rust:" + found(t, "rust-toolchain.toml", `channel = "([^"]+)"`) + "-"
	if !strings.HasPrefix(all[0].BaseName, compiler) {
		t.Errorf("it is built by %s", all[0].BaseName)
	}
}

func TestTheContextHoldsWhatTheBuildReadsAndNothingThatIsBuilt(t *testing.T) {
	file, err := os.Open(filepath.Join(root, "deploy/Dockerfile.dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for path, wanted := range map[string]bool{
		"Cargo.toml": true, "Cargo.lock": true, "proto/rialto/v1/messaging.proto": true, "server/src/base/config/config.default.toml": true,
		"clients/rust/Cargo.toml": true, "tests/Cargo.toml": true, "web/dist/index.html": true,
		".git/config": false, "target/debug/rialto": false, "deploy/.env": false, "deploy/Dockerfile": false, "rust-toolchain.toml": false,
		"node_modules/a/b": false, "tests/comparison/node_modules/a": false, "tests/deploy/go.mod": false, ".tools/bin/buf": false,
	} {
		left, err := ignored.MatchesOrParentMatches(path)
		if err != nil {
			t.Fatal(err)
		}
		if left == wanted {
			t.Errorf("%s: in the context: %v", path, !left)
		}
	}
}
