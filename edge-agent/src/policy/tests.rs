//! A changed policy takes effect, a broken one changes nothing, and a folder is one policy.

use router_policy::Boundary;

use super::*;

fn text(boundary: &str) -> String {
    format!(
        "apiVersion: tideline.dev/v1\nkind: PlacementPolicy\nmetadata: {{ name: p }}\nspec:\n  default: {{ boundary: {boundary} }}\n  onError: {{ boundary: {boundary} }}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_new_policy_takes_effect_and_a_broken_one_leaves_the_old_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, text("device")).unwrap();
    let decider = Arc::new(Decider::new(load(&path).unwrap()));
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow(path.clone(), decider.clone(), stop.clone()));
    let passes = async |expected: Boundary| {
        for _ in 0..200 {
            tokio::time::sleep(PERIOD).await;
            if decider.policy().on_error() == expected {
                return true;
            }
        }
        false
    };
    assert!(passes(Boundary::Device).await);
    std::fs::write(&path, text("private")).unwrap();
    assert!(passes(Boundary::Private).await);
    std::fs::write(&path, text("nowhere")).unwrap();
    assert!(!passes(Boundary::Device).await);
    assert_eq!(decider.policy().on_error(), Boundary::Private);
    std::fs::write(&path, text("cloud")).unwrap();
    assert!(passes(Boundary::Cloud).await);
    stop.cancel();
    following.await.unwrap();
}

#[test]
fn a_folder_is_one_policy_and_what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("0 .yaml files"), "{error}");
    std::fs::write(folder.path().join("a.yaml"), text("device")).unwrap();
    let set = "apiVersion: tideline.dev/v1\nkind: PolicySet\nmetadata: { name: all }\nspec: { include: [{ policy: p }] }\n";
    std::fs::write(folder.path().join("b.yml"), set).unwrap();
    assert_eq!(load(folder.path()).unwrap().name(), "all");
    let missing = load(Path::new("/nowhere/p.yaml")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/p.yaml"), "{missing}");
}
