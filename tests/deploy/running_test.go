package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// alone passes a test over where it may not have namespaces of its own.
func alone(t *testing.T) {
	t.Helper()
	if os.Getenv(isolated) == "" {
		t.Skip("only root may run containers as processes")
	}
}

// ask runs a command of Rialto against a node.
func ask(t *testing.T, of *running, arguments ...string) (string, error) {
	t.Helper()
	command := exec.Command(programs()["rialto"], arguments...)
	command.Env = append(os.Environ(), "RIALTO_SERVER=http://"+of.address+":7400")
	said, err := command.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// told is what a node answers in the end. While a nats-server goes, nodes refuse what has to be kept, do not answer within 10 s, or say
// that the outcome of what was on its way is not known (docs/deploying.md).
func told(t *testing.T, of *running, arguments ...string) string {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		said, err := ask(t, of, arguments...)
		if err == nil {
			return said
		}
		passing := []string{"NODES_UNREACHABLE", "no answer within", "STORAGE_FAILED"}
		if !slices.ContainsFunc(passing, func(what string) bool { return strings.Contains(said, what) }) || time.Now().After(end) {
			t.Fatalf("%s: %v: %s", of.name, err, said)
		}
		t.Logf("%s: %s", of.name, said)
	}
}

// emit says something in a room that keeps it, and gives what the acknowledgement is worth.
func emit(t *testing.T, of *running, text string, arguments ...string) string {
	t.Helper()
	said := told(t, of, append([]string{"emit", "-n", "chat", "-r", "general", "-e", "message", "-d", text, "--json"}, arguments...)...)
	var answer struct{ Durability string }
	if err := json.Unmarshal([]byte(said), &answer); err != nil {
		t.Fatalf("%s: %s", of.name, said)
	}
	return answer.Durability
}

// keeps holds when a node shows what was said at another one.
func keeps(t *testing.T, of *running, text string, arguments ...string) {
	t.Helper()
	if said := told(t, of, append([]string{"history", "general", "-n", "chat"}, arguments...)...); !strings.Contains(said, text) {
		t.Errorf("%s: %s", of.name, said)
	}
}

// well waits for what kubelets wait for.
func well(t *testing.T, all []*running, of workload) {
	t.Helper()
	container := of.container()
	for _, probe := range []*core.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
		for _, pod := range all {
			pod.answers(t, port(t, of, probe.HTTPGet.Port), probe.HTTPGet.Path)
		}
	}
}

func started(t *testing.T, containers []container) []*running {
	t.Helper()
	all := []*running{}
	for _, container := range containers {
		all = append(all, container.start(t))
	}
	return all
}

func TestWhatKubernetesWouldRunKeepsEventsAndStopsInTime(t *testing.T) {
	alone(t)
	all, hosts := built(t, folder), map[string]string{}
	servers, nodes := all.pods(t, "nats", "127.0.1.1", hosts), all.pods(t, "rialto", "127.0.1.2", hosts)
	for number := range nodes {
		nodes[number].environment = append(nodes[number].environment, "RIALTO_LISTEN="+nodes[number].address+":7400")
	}
	nats := started(t, servers)
	well(t, nats, all.workload(t, "nats"))
	rialto := started(t, nodes)
	well(t, rialto, all.workload(t, "rialto"))
	token, err := ask(t, rialto[0], "token", "mint", "--user", "ann", "--namespace", "chat", "--room", "*", "--can", "join,emit,history",
		"--issuer", "https://accounts.example.com", "--audience", "rialto", "--secret", key)
	if err != nil {
		t.Fatal(token)
	}
	if said, err := ask(t, rialto[0], "history", "general", "-n", "chat"); err == nil {
		t.Errorf("without a token it says %s", said)
	}
	if durability := emit(t, rialto[0], "hello", "--token", token); durability != "REPLICATED" {
		t.Errorf("what is kept is %s", durability)
	}
	keeps(t, rialto[2], "hello", "--token", token)
	scraped(t, rialto[1], all.workload(t, "rialto"))

	// A nats-server goes as its preStop and the kubelet have it: the lame duck mode, and SIGTERM on its heels, which changes nothing.
	nats[0].signal(t, syscall.SIGUSR2)
	nats[0].says(t, "Entering lame duck mode")
	nats[0].signal(t, syscall.SIGTERM)
	nats[0].ends(t, grace(all.workload(t, "nats")))
	// One that is cut short writes it the other way round.
	said := nats[0].said.String()
	if parted, ended := strings.Index(said, "Initiating JetStream Shutdown"), strings.Index(said, "Initiating Shutdown"); parted > ended {
		t.Error("it was cut short")
	}
	if durability := emit(t, rialto[1], "still here", "--token", token); durability != "REPLICATED" {
		t.Errorf("what is kept is %s", durability)
	}
	keeps(t, rialto[2], "still here", "--token", token)
	for _, node := range rialto {
		node.signal(t, syscall.SIGTERM)
		node.ends(t, grace(all.workload(t, "rialto")))
		if strings.Contains(node.said.String(), "Permissions Violation") {
			t.Errorf("%s is not permitted what it needs", node.name)
		}
	}
}

// scraped holds when a node shows its numbers where Prometheus looks, and speaks HTTP/2 without TLS as well.
func scraped(t *testing.T, of *running, workload workload) {
	t.Helper()
	annotations := workload.template.Annotations
	url := fmt.Sprintf("http://%s:%s%s", of.address, annotations["prometheus.io/port"], annotations["prometheus.io/path"])
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	for _, client := range []*http.Client{http.DefaultClient, {Transport: &http.Transport{Protocols: protocols}}} {
		status, body, err := get(client, url)
		if err != nil || status != http.StatusOK || !strings.Contains(body, "rialto_sessions") {
			t.Errorf("%s: %d, %v", url, status, err)
		}
	}
}

// services are the containers of compose.
func services(t *testing.T) (nats, rialto []container) {
	t.Helper()
	project, hosts := project(t), map[string]string{}
	for number := range 3 {
		for place, name := range []string{"nats", "rialto"} {
			service := project.Services[fmt.Sprintf("%s-%d", name, number)]
			of := container{
				name: "compose-" + service.Name, address: fmt.Sprintf("127.0.2.%d%d", place+1, number), hosts: hosts, files: map[string]file{},
			}
			hosts[service.Name] = of.address
			for name, value := range service.Environment {
				of.environment = append(of.environment, name+"="+*value)
			}
			// Of what compose says nothing is changed but this: all share one network here.
			of.environment = append(of.environment, "NATS_HOST="+of.address, "RIALTO_LISTEN="+of.address+":7400")
			for _, mounted := range service.Configs {
				of.files[mounted.Target] = file{read(t, project.Configs[mounted.Source].File), 0o644}
			}
			if name == "nats" {
				// The entry of that image runs the server with what compose gives it.
				of.command, of.data = append([]string{"nats-server"}, service.Command...), service.Volumes[0].Target
				nats = append(nats, of)
			} else {
				of.command = append(entrypoint(t), service.Command...)
				of.user, of.group = 65532, 65532
				rialto = append(rialto, of)
			}
		}
	}
	return nats, rialto
}

func read(t *testing.T, path string) string {
	t.Helper()
	bytes, err := os.ReadFile(path)
	try(t, err)
	return string(bytes)
}

// healthy waits for what Docker waits for.
func healthy(t *testing.T, all []*running) {
	t.Helper()
	services := project(t).Services
	for _, of := range all {
		test := services[strings.TrimPrefix(of.name, "compose-")].HealthCheck.Test
		var number int32
		var path string
		if _, err := fmt.Sscanf(test[len(test)-1], "http://127.0.0.1:%d%s", &number, &path); err != nil {
			t.Fatal(err)
		}
		of.answers(t, number, path)
	}
}

func TestWhatComposeWouldRunKeepsEventsAndStopsInTime(t *testing.T) {
	alone(t)
	servers, nodes := services(t)
	nats := started(t, servers)
	healthy(t, nats)
	rialto := started(t, nodes)
	healthy(t, rialto)
	if durability := emit(t, rialto[0], "hello"); durability != "REPLICATED" {
		t.Errorf("what is kept is %s", durability)
	}
	keeps(t, rialto[2], "hello")
	if page := rialto[1].answers(t, 7400, "/"); !strings.Contains(page, "<html") {
		t.Errorf("the chat is %s", page)
	}
	graces := project(t).Services
	for _, of := range append(rialto, nats...) {
		service := graces[strings.TrimPrefix(of.name, "compose-")]
		signal := syscall.SIGTERM
		if service.StopSignal == "SIGUSR2" {
			signal = syscall.SIGUSR2
		}
		of.signal(t, signal)
		of.ends(t, time.Duration(*service.StopGracePeriod))
	}
}
