// Checks what an engineer deploys: deploy/Dockerfile, deploy/compose.yaml and deploy/kubernetes, read by the libraries that read them
// in production, and run as processes with the programs of this repository. It builds no image and asks no cluster.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

// root is the repository.
var root = func() string {
	folder, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return folder
}()

// text of a file of the repository.
func text(t *testing.T, path string) string {
	t.Helper()
	bytes, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

// found is the group of a pattern in a file that has it once.
func found(t *testing.T, path, pattern string) string {
	t.Helper()
	matches := regexp.MustCompile(pattern).FindAllStringSubmatch(text(t, path), -1)
	if len(matches) != 1 {
		t.Fatalf("%s has %q %d times", path, pattern, len(matches))
	}
	return matches[0][1]
}

// settings are those of a configuration of Rialto that other files have to fit.
type settings struct {
	Stop    struct{ Drain, Flush string }
	Cluster struct {
		Replicas int
		Parts    int
		Monitors string
	}
	Data string
}

func configured(t *testing.T, path string) settings {
	t.Helper()
	var of settings
	if _, err := toml.Decode(text(t, path), &of); err != nil {
		t.Fatal(err)
	}
	return of
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return duration
}

// stopMax is the longest time that a node takes to stop with this configuration. The stages are counted where they are written, so that
// one more of them makes times of grace too short here first.
func stopMax(t *testing.T, configuration string) time.Duration {
	t.Helper()
	const node = "server/src/node.rs"
	flushes := len(regexp.MustCompile(`timeout\(stop\.flush,`).FindAllString(text(t, node), -1))
	drains := len(regexp.MustCompile(`timeout\(stop\.drain,`).FindAllString(text(t, node), -1))
	if flushes == 0 || drains == 0 {
		t.Fatalf("%s waits in another way than this test knows", node)
	}
	end := duration(t, found(t, node, `END_TIMEOUT: Duration = Duration::from_secs\((\d+)\)`)+"s")
	of := configured(t, configuration).Stop
	return time.Duration(drains)*duration(t, of.Drain) + time.Duration(flushes)*duration(t, of.Flush) + end
}

// lameDuckMax is the longest time that a nats-server takes to hand over what it has.
func lameDuckMax(t *testing.T) time.Duration {
	t.Helper()
	const file = "deploy/nats/nats.conf"
	grace := duration(t, found(t, file, `lame_duck_grace_period: (\w+)`))
	return grace + duration(t, found(t, file, `lame_duck_duration: (\w+)`))
}

// natsImage is the image of the version that Rialto is tested with.
func natsImage(t *testing.T) string {
	t.Helper()
	return "nats:" + found(t, "tests/tools/install", `nats-server/v2@v([\d.]+)`) + "-alpine"
}

// version of Rialto.
func version(t *testing.T) string {
	t.Helper()
	return found(t, "Cargo.toml", `(?m)^version = "([^"]+)"`)
}
