package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	standards "k8s.io/pod-security-admission/policy"
)

const (
	folder        = "deploy/kubernetes"
	configuration = "deploy/kubernetes/rialto.toml"
	document      = "docs/deploying.md"
)

func selects(t *testing.T, selector *meta.LabelSelector, pods map[string]string) bool {
	t.Helper()
	by, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return !by.Empty() && by.Matches(labels.Set(pods))
}

func TestEverySelectorFindsItsPodsAndNoOthers(t *testing.T) {
	all := built(t, folder)
	for _, of := range all.workloads(t) {
		selectors := map[string]*meta.LabelSelector{
			"its own": of.selector,
			"service": {MatchLabels: all.services[of.name].Spec.Selector},
			"budget":  all.budgets[of.name].Spec.Selector,
			"policy":  &all.policies[of.name].Spec.PodSelector,
		}
		for _, spread := range of.pod().TopologySpreadConstraints {
			selectors["spread over "+spread.TopologyKey] = spread.LabelSelector
		}
		if affinity := of.pod().Affinity; affinity != nil {
			for _, term := range affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				selectors["apart on "+term.TopologyKey] = term.LabelSelector
			}
		}
		for what, selector := range selectors {
			for _, other := range all.workloads(t) {
				if selects(t, selector, other.template.Labels) != (other.name == of.name) {
					t.Errorf("%s: the selector of %s is wrong about %s", of.name, what, other.name)
				}
			}
		}
	}
}

// port of a container, by its name or number.
func port(t *testing.T, of workload, target intstr.IntOrString) int32 {
	t.Helper()
	for _, port := range of.container().Ports {
		if port.Name == target.StrVal || target.Type == intstr.Int && port.ContainerPort == target.IntVal {
			return port.ContainerPort
		}
	}
	t.Fatalf("%s has no port %s", of.name, target.String())
	return 0
}

func TestServicesAndPoliciesLeadToPortsThatAreThere(t *testing.T) {
	all := built(t, folder)
	for _, of := range all.workloads(t) {
		for _, served := range all.services[of.name].Spec.Ports {
			port(t, of, served.TargetPort)
		}
		for _, probe := range []*core.Probe{of.container().StartupProbe, of.container().ReadinessProbe, of.container().LivenessProbe} {
			port(t, of, probe.HTTPGet.Port)
		}
		for _, rule := range all.policies[of.name].Spec.Ingress {
			for _, permitted := range rule.Ports {
				port(t, of, *permitted.Port)
			}
		}
		if scraped := of.template.Annotations["prometheus.io/port"]; scraped != "" {
			number, err := strconv.Atoi(scraped)
			if err != nil {
				t.Fatal(err)
			}
			port(t, of, intstr.FromInt(number))
		}
	}
	nats := all.workload(t, "nats")
	for _, of := range all.workloads(t) {
		for _, rule := range all.policies[of.name].Spec.Egress {
			if len(rule.To) == 0 {
				continue
			}
			for _, permitted := range rule.Ports {
				port(t, nats, *permitted.Port)
			}
		}
	}
	if protocol := all.services["rialto"].Spec.Ports[0].AppProtocol; protocol == nil || *protocol != "kubernetes.io/h2c" {
		t.Error("gateways do not know that the port speaks HTTP/2 without TLS")
	}
}

// grace is the time that pods have, without what is waited before they are told.
func grace(of workload) time.Duration {
	whole := time.Duration(*of.pod().TerminationGracePeriodSeconds) * time.Second
	if lifecycle := of.container().Lifecycle; lifecycle != nil && lifecycle.PreStop != nil && lifecycle.PreStop.Sleep != nil {
		whole -= time.Duration(lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	return whole
}

func TestPodsHaveTimeForAllStagesOfStopping(t *testing.T) {
	all := built(t, folder)
	if has, needs := grace(all.workload(t, "rialto")), stopMax(t, configuration); has <= needs {
		t.Errorf("a node has %v and may need %v", has, needs)
	}
	if has, needs := grace(all.workload(t, "nats")), lameDuckMax(t); has <= needs {
		t.Errorf("a nats-server has %v and may need %v", has, needs)
	}
}

func TestAnUpdateAndAnEvictionLeaveEnough(t *testing.T) {
	all := built(t, folder)
	update := all.deployments["rialto"].Spec.Strategy.RollingUpdate
	if update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() < 1 {
		t.Error("a node goes before its successor has come")
	}
	for _, of := range all.workloads(t) {
		most := all.budgets[of.name].Spec.MaxUnavailable.IntValue()
		if of.replicas < 3 || most < 1 || of.replicas-most <= of.replicas/2 {
			t.Errorf("%s: of %d %d may be missing", of.name, of.replicas, most)
		}
	}
	set := all.statefulSets["nats"].Spec
	if set.PodManagementPolicy != "Parallel" || !all.services["nats"].Spec.PublishNotReadyAddresses {
		t.Error("nats-servers wait for each other before they can find each other")
	}
}

func TestPodsAreAdmittedUnderTheStrictestStandard(t *testing.T) {
	all := built(t, folder)
	evaluator, err := standards.NewEvaluator(standards.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	level, err := api.ParseLevel(all.namespaces["rialto"].Labels[api.EnforceLevelLabel])
	if err != nil || level != api.LevelRestricted {
		t.Fatalf("the namespace enforces %q: %v", level, err)
	}
	for _, of := range all.workloads(t) {
		pod := of.pod()
		for _, result := range evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &of.template.ObjectMeta, &pod) {
			if !result.Allowed {
				t.Errorf("%s: %s: %s", of.name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		if readOnly := of.container().SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
			t.Errorf("%s may write to its image", of.name)
		}
	}
}

func TestNodesAndServersKnowAllServersByTheNamesThatTheyHave(t *testing.T) {
	all := built(t, folder)
	nats, of := all.workload(t, "nats"), configured(t, configuration)
	service := all.services[all.statefulSets["nats"].Spec.ServiceName]
	if service.Spec.ClusterIP != core.ClusterIPNone {
		t.Error("the service of the nats-servers gives them no names")
	}
	if of.Cluster.Replicas != nats.replicas || of.Data != "" {
		t.Errorf("%d replicas on %d servers, and %q for data", of.Cluster.Replicas, nats.replicas, of.Data)
	}
	if last := fmt.Sprintf("# Part %d.", of.Cluster.Parts-1); !strings.HasSuffix(strings.Join(
		regexp.MustCompile(`# Part \d+\.`).FindAllString(text(t, "deploy/nats/permissions.conf"), -1), " "), last) {
		t.Errorf("NATS does not permit %d parts", of.Cluster.Parts)
	}
	var monitors, nodes, routes []string
	for number := range nats.replicas {
		host := fmt.Sprintf("nats-%d.%s", number, service.Name)
		monitors = append(monitors, "http://"+host+":8222")
		nodes = append(nodes, "nats://rialto:$(NATS_PASSWORD)@"+host+":4222")
		routes = append(routes, "nats://routes:$(NATS_PASSWORD)@"+host+":6222")
	}
	if of.Cluster.Monitors != strings.Join(monitors, ",") {
		t.Errorf("monitors: %s", of.Cluster.Monitors)
	}
	if told := variable(all.workload(t, "rialto"), "RIALTO_NATS"); told != strings.Join(nodes, ",") {
		t.Errorf("nodes are told %s", told)
	}
	for number, route := range routes {
		if told := variable(nats, fmt.Sprintf("NATS_ROUTE_%d", number)); told != route {
			t.Errorf("servers are told %s", told)
		}
	}
}

func variable(of workload, name string) string {
	at := slices.IndexFunc(of.container().Env, func(variable core.EnvVar) bool { return variable.Name == name })
	if at < 0 {
		return ""
	}
	return of.container().Env[at].Value
}

func TestConfigMapsAreThereAndSecretsAreDocumented(t *testing.T) {
	all, guide := built(t, folder), text(t, document)
	secret := func(name string) {
		if !strings.Contains(guide, "create secret generic "+name+" ") {
			t.Errorf("%s does not say how the secret %s is made", document, name)
		}
	}
	for _, of := range all.workloads(t) {
		for _, volume := range of.pod().Volumes {
			switch {
			case volume.ConfigMap != nil && all.maps[volume.ConfigMap.Name] == nil:
				t.Errorf("%s: there is no config map %s", of.name, volume.ConfigMap.Name)
			case volume.Secret != nil:
				secret(volume.Secret.SecretName)
			}
		}
		for _, variable := range of.container().Env {
			if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
				secret(variable.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
}

func TestImagesAreOfTheVersionsThatAreTested(t *testing.T) {
	all := built(t, folder)
	if image := all.workload(t, "nats").container().Image; image != natsImage(t) {
		t.Errorf("%s is not tested", image)
	}
	if image := all.workload(t, "rialto").container().Image; !strings.HasSuffix(image, "/rialto:"+version(t)) {
		t.Errorf("%s is another version", image)
	}
}

func TestNatsRefusesBeforeItsVolumeIsFull(t *testing.T) {
	volume := built(t, folder).workload(t, "nats").claims[0].Spec.Resources.Requests[core.ResourceStorage]
	// For NATS a GB is what others call GiB.
	most := resource.MustParse(found(t, "deploy/nats/nats.conf", `max_file_store: (\d+)GB`) + "Gi")
	if most.Cmp(volume) >= 0 {
		t.Errorf("%s in a volume of %s", most.String(), volume.String())
	}
}
