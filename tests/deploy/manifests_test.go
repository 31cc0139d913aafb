package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// workload is what makes pods.
type workload struct {
	name     string
	replicas int
	selector *meta.LabelSelector
	template core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
}

func (of workload) pod() core.PodSpec {
	return of.template.Spec
}

func (of workload) container() core.Container {
	return of.template.Spec.Containers[0]
}

// manifests are the objects of a kustomization, by their names.
type manifests struct {
	namespaces   map[string]*core.Namespace
	maps         map[string]*core.ConfigMap
	services     map[string]*core.Service
	policies     map[string]*networking.NetworkPolicy
	budgets      map[string]*policy.PodDisruptionBudget
	deployments  map[string]*apps.Deployment
	statefulSets map[string]*apps.StatefulSet
}

func (of *manifests) workload(t *testing.T, name string) workload {
	t.Helper()
	if set := of.statefulSets[name]; set != nil {
		spec := set.Spec
		return workload{name, int(*spec.Replicas), spec.Selector, spec.Template, spec.VolumeClaimTemplates}
	}
	deployment := of.deployments[name]
	if deployment == nil {
		t.Fatalf("nothing makes pods named %s", name)
	}
	spec := deployment.Spec
	return workload{name, int(*spec.Replicas), spec.Selector, spec.Template, nil}
}

func (of *manifests) workloads(t *testing.T) []workload {
	t.Helper()
	return []workload{of.workload(t, "nats"), of.workload(t, "rialto")}
}

// decoded puts one object among those of its kind. A field that its type does not have is an error.
func decoded[T any](t *testing.T, text []byte, into *map[string]*T) {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict(text, object); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	named, is := any(object).(meta.Object)
	if !is {
		t.Fatalf("no object: %T", object)
	}
	if *into == nil {
		*into = map[string]*T{}
	}
	if (*into)[named.GetName()] != nil {
		t.Fatalf("%T %s is there twice", object, named.GetName())
	}
	(*into)[named.GetName()] = object
}

func (of *manifests) add(t *testing.T, text []byte) {
	t.Helper()
	var kind meta.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		t.Fatal(err)
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		decoded(t, text, &of.namespaces)
	case "v1 ConfigMap":
		decoded(t, text, &of.maps)
	case "v1 Service":
		decoded(t, text, &of.services)
	case "networking.k8s.io/v1 NetworkPolicy":
		decoded(t, text, &of.policies)
	case "policy/v1 PodDisruptionBudget":
		decoded(t, text, &of.budgets)
	case "apps/v1 Deployment":
		decoded(t, text, &of.deployments)
	case "apps/v1 StatefulSet":
		decoded(t, text, &of.statefulSets)
	default:
		t.Fatalf("nobody has thought of %s %s", kind.APIVersion, kind.Kind)
	}
}

// built is what `kubectl apply -k` would send.
func built(t *testing.T, folder string) *manifests {
	t.Helper()
	kustomizer := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	objects, err := kustomizer.Run(filesys.MakeFsOnDisk(), filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	all := &manifests{}
	for _, object := range objects.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		all.add(t, text)
	}
	return all
}

func TestEachFileIsOneObjectWithoutAnUnknownField(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kustomization := text(t, "deploy/kubernetes/kustomization.yaml")
	alone, all := &manifests{}, 0
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n---") {
			t.Errorf("%s has several objects", file)
		}
		if !strings.Contains(kustomization, "- "+filepath.Base(file)+"\n") {
			t.Errorf("%s is in no kustomization", file)
		}
		alone.add(t, text)
		all++
	}
	if all == 0 {
		t.Fatal("there are no files")
	}
}
