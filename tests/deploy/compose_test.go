package deploy

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed is deploy/compose.yaml as docker compose reads it.
func composed(t *testing.T, environment ...string) (*types.Project, error) {
	t.Helper()
	file := filepath.Join(root, "deploy/compose.yaml")
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	project, err := composed(t, "NATS_PASSWORD="+password)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeDoesNotBeginWithoutAPassword(t *testing.T) {
	if _, err := composed(t); err == nil || !strings.Contains(err.Error(), "deploy/.env") {
		t.Errorf("it says %v", err)
	}
}

func TestServicesOfComposeHaveTimeToStop(t *testing.T) {
	for name, service := range project(t).Services {
		needs := stopMax(t, "deploy/compose.toml")
		if strings.HasPrefix(name, "nats") {
			needs = lameDuckMax(t)
		}
		if service.StopGracePeriod == nil || time.Duration(*service.StopGracePeriod) <= needs {
			t.Errorf("%s has %v and may need %v", name, service.StopGracePeriod, needs)
		}
	}
}

func TestComposeShowsChatsToThisMachineAloneAndNatsToNobody(t *testing.T) {
	project := project(t)
	if of := configured(t, "deploy/compose.toml"); of.Cluster.Replicas != 3 || of.Data != "" {
		t.Errorf("%d replicas, and %q for data", of.Cluster.Replicas, of.Data)
	}
	chats := map[string]bool{}
	for name, service := range project.Services {
		if !service.ReadOnly || len(service.CapDrop) != 1 || service.HealthCheck == nil {
			t.Errorf("%s may do more than it must, or nobody sees whether it is well", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" || port.Target != 7400 {
				t.Errorf("%s shows %d on %s", name, port.Target, port.HostIP)
			}
			chats[port.Published] = true
		}
		if strings.HasPrefix(name, "nats") {
			if len(service.Ports) != 0 || len(service.Networks) != 1 || service.Image != natsImage(t) {
				t.Errorf("%s is open, or of another version", name)
			}
			continue
		}
		if service.Image != "rialto:"+version(t) || len(service.DependsOn) != 3 {
			t.Errorf("%s is %s, and waits for %d", name, service.Image, len(service.DependsOn))
		}
	}
	if len(chats) != 3 || !bool(project.Networks["nats"].Internal) {
		t.Errorf("chats are on %v", chats)
	}
}
