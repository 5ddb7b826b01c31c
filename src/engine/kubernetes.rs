//! A Kubernetes cluster: an indexed Job whose pods run `runner exec`. Nothing is submitted here; the Job is text for `kubectl`.

use crate::plan::Plan;

/// What a Job needs of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Container image with `runner` in it.
    pub image: &'a str,
    /// Persistent volume claim that all pods mount at `/results`.
    pub claim: &'a str,
}

/// The Job that runs every trial of `plan` (YAML). See
/// <https://kubernetes.io/docs/tasks/job/indexed-parallel-processing-static/>.
pub fn job(plan: &Plan, cluster: Cluster<'_>) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    // Names of objects are DNS labels.
    let label = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = format!("runner-{}", plan.experiment).chars().map(label).take(52).collect();
    let file = quoted(&format!("/results/{}/plan.json", plan.experiment));
    let (runs, image, claim) = (plan.trials.len(), quoted(cluster.image), quoted(cluster.claim));
    let name = name.trim_end_matches('-');
    format!(
        "# Put the plan on the volume first: runner plan SPEC --results /results --json > /results/{experiment}/plan.json
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {runs}
  parallelism: {runs}
  backoffLimitPerIndex: 3
  maxFailedIndexes: {runs}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 120
      containers:
        - name: runner
          image: {image}
          command: [\"runner\", \"exec\", \"--plan\", {file}, \"--index\", \"$(JOB_COMPLETION_INDEX)\"]
          volumeMounts:
            - name: results
              mountPath: /results
      volumes:
        - name: results
          persistentVolumeClaim:
            claimName: {claim}",
        experiment = plan.experiment,
    )
}
