//! What grants allow, and above all what they do not.

use super::*;

fn grant(namespace: &str, rooms: &[&str], can: &[Right]) -> GrantConfig {
    GrantConfig {
        namespace: namespace.to_owned(),
        rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
        can: can.to_vec(),
    }
}

fn identity(user: Option<&str>, grants: &[GrantConfig]) -> Identity {
    Identity::granted(user.map(|name| name.parse().unwrap()), None, grants).unwrap()
}

#[test]
fn what_is_not_granted_is_forbidden() {
    let nobody = identity(Some("ann"), &[]);
    for right in Right::ALL {
        assert!(!nobody.may(right, "chat", Some("general")));
        assert!(!nobody.may(right, "chat", None));
    }
    assert!(!nobody.may_enter("chat"));
}

#[test]
fn each_right_is_granted_by_itself_only() {
    for granted in Right::ALL {
        let ann = identity(Some("ann"), &[grant("chat", &["*"], &[granted])]);
        for right in Right::ALL {
            assert_eq!(ann.may(right, "chat", Some("general")), right == granted, "{granted:?} {right:?}");
            assert_eq!(ann.may(right, "chat", None), right == granted, "{granted:?} {right:?}");
        }
    }
}

#[test]
fn a_grant_holds_in_its_rooms_and_namespaces_only() {
    let ann = identity(
        Some("ann"),
        &[grant("chat", &["general", "team-*"], &[Right::Join]), grant("game-*", &["*"], &[Right::Emit])],
    );
    for (right, namespace, room, expected) in [
        (Right::Join, "chat", Some("general"), true),
        (Right::Join, "chat", Some("team-a"), true),
        (Right::Join, "chat", Some("secret"), false),
        (Right::Join, "chat2", Some("general"), false),
        (Right::Join, "chat", None, false),
        (Right::Emit, "chat", Some("general"), false),
        (Right::Emit, "game-1", Some("x"), true),
        (Right::Emit, "game-1", None, true),
        (Right::Join, "game-1", Some("general"), false),
        (Right::Emit, "game", Some("x"), false),
    ] {
        assert_eq!(ann.may(right, namespace, room), expected, "{right:?} {namespace} {room:?}");
    }
}

#[test]
fn any_grant_is_enough_to_enter_its_namespace() {
    let ann = identity(Some("ann"), &[grant("chat", &[], &[]), grant("game-*", &["a"], &[Right::Emit])]);
    for (namespace, expected) in [("chat", true), ("game-1", true), ("game", false), ("other", false)] {
        assert_eq!(ann.may_enter(namespace), expected, "{namespace}");
    }
    assert!(!ann.may(Right::Join, "chat", Some("a")));
}

#[test]
fn the_users_name_is_data_and_never_a_pattern() {
    for (user, pattern, room, expected) in [
        ("ann", "inbox-{user}", "inbox-ann", true),
        ("ann", "inbox-{user}", "inbox-annabel", false),
        ("ann", "{user}", "ann", true),
        ("*", "inbox-{user}", "inbox-*", true),
        ("*", "inbox-{user}", "inbox-ann", false),
        ("*", "{user}", "ann", false),
        ("a*", "{user}", "ann", false),
        ("{user}", "inbox-{user}", "inbox-{user}", true),
        ("{user}", "inbox-{user}", "inbox-ann", false),
        ("a", "dm-{user}-*", "dm-a-b", true),
        ("a", "dm-{user}-*", "dm-ab-c", false),
        // Would be inside of `dm-a-*`, which belongs to `a`.
        ("a-b", "dm-{user}-*", "dm-a-b-c", false),
        ("a-b", "dm-{user}/*", "dm-a-b/c", true),
        ("*", "dm-{user}-*", "dm-b-c", false),
        ("日", "{user}:*", "日:a", true),
    ] {
        let who = identity(Some(user), &[grant("chat", &[pattern], &[Right::Join])]);
        assert_eq!(who.may(Right::Join, "chat", Some(room)), expected, "{user} {pattern} {room}");
    }
}

#[test]
fn a_user_called_star_does_not_get_the_namespace_as_a_whole() {
    let star = identity(Some("*"), &[grant("chat", &["{user}"], &[Right::Emit])]);
    assert!(!star.may(Right::Emit, "chat", None));
    let everywhere = identity(Some("*"), &[grant("{user}", &["*"], &[Right::Emit])]);
    assert!(!everywhere.may_enter("chat"));
    assert!(everywhere.may_enter("*"));
}

#[test]
fn without_a_name_patterns_with_a_name_match_nothing() {
    let service = identity(None, &[grant("chat", &["inbox-{user}", "log"], &[Right::Emit])]);
    assert!(service.may(Right::Emit, "chat", Some("log")));
    for room in ["inbox-", "inbox-{user}", "inbox-u"] {
        assert!(!service.may(Right::Emit, "chat", Some(room)), "{room}");
    }
    assert!(!identity(None, &[grant("{user}", &["*"], &[Right::Emit])]).may_enter("u"));
}

#[test]
fn grants_that_cannot_be_meant_are_refused() {
    let too_many = vec![grant("chat", &[], &[]); GRANTS_MAX + 1];
    assert_eq!(Identity::granted(None, None, &too_many).map(drop), Err(GrantError::TooManyGrants));
    let rooms = ["a"; ROOMS_PER_GRANT_MAX + 1];
    let too_many = grant("chat", &rooms, &[Right::Join]);
    assert_eq!(Identity::granted(None, None, &[too_many]).map(drop), Err(GrantError::TooManyRooms));
    let says = |grant: GrantConfig| {
        Identity::granted(None, None, &[grant]).map(drop).expect_err("refused").to_string()
    };
    assert!(says(grant("chat", &[], &[Right::Join])).contains("has rights but no rooms"));
    for pattern in ["", "a*b", "**", "$SYS", "a\nb", "{user}*", "a-{user}*", "{user}-{user}", "{user}{user}*"]
    {
        let said = says(grant("chat", &[pattern], &[Right::Join]));
        assert!(said.contains(&format!("{pattern:?}")), "{said}");
        assert!(says(grant(pattern, &["a"], &[Right::Join])).contains("the pattern"), "{pattern}");
    }
}

#[test]
fn the_largest_grants_are_accepted_and_work() {
    let rooms: Vec<String> = (0..ROOMS_PER_GRANT_MAX).map(|number| format!("r{number}")).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let grants = vec![grant("chat", &rooms, &[Right::Join]); GRANTS_MAX];
    let ann = identity(Some("ann"), &grants);
    assert!(ann.may(Right::Join, "chat", Some("r31")));
    assert!(!ann.may(Right::Join, "chat", Some("r32")));
}

#[test]
fn an_open_identity_may_do_everything() {
    let ann = Identity::open(Some("ann".parse().unwrap()));
    assert!(Right::ALL.into_iter().all(|right| ann.may(right, "x", None) && ann.may(right, "x", Some("y"))));
    assert!(ann.may_enter("x"));
    assert!(!ann.has_expired(SystemTime::UNIX_EPOCH));
}
