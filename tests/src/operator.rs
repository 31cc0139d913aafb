//! Somebody who looks inside a node and acts on what is there: `DirectoryService` in words of the tests.

use rialto_proto::v1::{
    self, Member, NamespaceSettings, RoomEventKind, Sender, Session, Target, Then, WatchRoomsResponse,
    directory_service_client::DirectoryServiceClient,
};
use tonic::{Request, Status, Streaming, transport::Channel};

use crate::{node::settled, within};

/// Changed and refused sessions of an operation on members.
pub type Counts = (u32, u32);

/// A stub with credentials.
#[derive(Debug, Clone)]
pub struct Operator {
    stub: DirectoryServiceClient<Channel>,
    token: Option<String>,
}

/// A watch of rooms.
#[derive(Debug)]
pub struct Watcher {
    events: Streaming<WatchRoomsResponse>,
}

impl Operator {
    /// Somebody with a token, or with none.
    pub fn new(stub: DirectoryServiceClient<Channel>, token: Option<&str>) -> Self {
        Self { stub, token: token.map(str::to_owned) }
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("a token is ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// One page of namespaces.
    pub async fn namespaces(
        &mut self,
        page_size: u32,
        page_token: &str,
    ) -> Result<v1::ListNamespacesResponse, Status> {
        let request = v1::ListNamespacesRequest { page_size, page_token: page_token.to_owned() };
        let response = within("namespaces", self.stub.list_namespaces(self.signed(request))).await?;
        Ok(response.into_inner())
    }

    /// One namespace.
    pub async fn namespace(&mut self, name: &str) -> Result<v1::Namespace, Status> {
        let request = self.signed(v1::GetNamespaceRequest { namespace: name.to_owned() });
        let response = within("a namespace", self.stub.get_namespace(request)).await?;
        Ok(response.into_inner().namespace.expect("a namespace"))
    }

    /// Makes a namespace.
    pub async fn create(&mut self, name: &str, settings: NamespaceSettings) -> Result<v1::Namespace, Status> {
        let request = v1::CreateNamespaceRequest { namespace: name.to_owned(), settings: Some(settings) };
        let response = within("a namespace", self.stub.create_namespace(self.signed(request))).await?;
        Ok(response.into_inner().namespace.expect("a namespace"))
    }

    /// Changes a namespace.
    pub async fn update(&mut self, name: &str, settings: NamespaceSettings) -> Result<v1::Namespace, Status> {
        let request = v1::UpdateNamespaceRequest { namespace: name.to_owned(), settings: Some(settings) };
        let response = within("a namespace", self.stub.update_namespace(self.signed(request))).await?;
        Ok(response.into_inner().namespace.expect("a namespace"))
    }

    /// Deletes a namespace. Returns how many left it.
    pub async fn delete(&mut self, name: &str) -> Result<u32, Status> {
        let request = self.signed(v1::DeleteNamespaceRequest { namespace: name.to_owned() });
        let response = within("the end of a namespace", self.stub.delete_namespace(request)).await?;
        Ok(response.into_inner().sessions_changed)
    }

    /// One page of the rooms of `chat`.
    pub async fn rooms(
        &mut self,
        prefix: &str,
        page_size: u32,
        page_token: &str,
    ) -> Result<v1::ListRoomsResponse, Status> {
        let request = v1::ListRoomsRequest {
            namespace: "chat".to_owned(),
            prefix: prefix.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        Ok(within("rooms", self.stub.list_rooms(self.signed(request))).await?.into_inner())
    }

    /// How many members a room of `chat` has.
    pub async fn member_count(&mut self, room: &str) -> u32 {
        self.try_member_count("chat", room).await.expect("the room may be seen")
    }

    /// How many members a room has.
    pub async fn try_member_count(&mut self, namespace: &str, room: &str) -> Result<u32, Status> {
        let request = v1::GetRoomRequest { namespace: namespace.to_owned(), room: room.to_owned() };
        let response = within("a room", self.stub.get_room(self.signed(request))).await?;
        Ok(response.into_inner().room.expect("a room").member_count)
    }

    /// One page of the members of a room of `chat`, or of everyone in it when `room` is empty.
    pub async fn members(
        &mut self,
        room: &str,
        page_size: u32,
        page_token: &str,
    ) -> Result<v1::ListMembersResponse, Status> {
        let request = v1::ListMembersRequest {
            namespace: "chat".to_owned(),
            room: room.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        Ok(within("members", self.stub.list_members(self.signed(request))).await?.into_inner())
    }

    /// One session.
    pub async fn session(&mut self, id: &str) -> Result<Session, Status> {
        let request = self.signed(v1::GetSessionRequest { session_id: id.to_owned() });
        let response = within("a session", self.stub.get_session(request)).await?;
        Ok(response.into_inner().session.expect("a session"))
    }

    /// Makes sessions in `chat` join rooms.
    pub async fn join(&mut self, target: Target, rooms: &[&str]) -> Result<Counts, Status> {
        let request = v1::JoinMembersRequest {
            namespace: "chat".to_owned(),
            target: Some(target),
            rooms: owned(rooms),
        };
        let response = within("joins", self.stub.join_members(self.signed(request))).await?.into_inner();
        settled().await;
        Ok((response.sessions_changed, response.sessions_refused))
    }

    /// Makes sessions in `chat` part rooms.
    pub async fn part(&mut self, target: Target, rooms: &[&str]) -> Result<u32, Status> {
        let request = v1::PartMembersRequest {
            namespace: "chat".to_owned(),
            target: Some(target),
            rooms: owned(rooms),
        };
        let response = within("parts", self.stub.part_members(self.signed(request))).await?;
        settled().await;
        Ok(response.into_inner().sessions_changed)
    }

    /// Ends sessions in `chat`.
    pub async fn disconnect(&mut self, target: Target, reason: &str, then: Then) -> Result<u32, Status> {
        let request = v1::DisconnectMembersRequest {
            namespace: "chat".to_owned(),
            target: Some(target),
            reason: reason.to_owned(),
            then: then.into(),
        };
        let response = within("the end", self.stub.disconnect_members(self.signed(request))).await?;
        settled().await;
        Ok(response.into_inner().sessions_changed)
    }

    /// Sets and removes attributes of sessions in `chat`.
    pub async fn describe(
        &mut self,
        target: Target,
        set: &[(&str, &str)],
        remove: &[&str],
    ) -> Result<Counts, Status> {
        let request = v1::UpdateAttributesRequest {
            namespace: "chat".to_owned(),
            target: Some(target),
            set: set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            remove: owned(remove),
        };
        let response = within("attributes", self.stub.update_attributes(self.signed(request))).await?;
        settled().await;
        let response = response.into_inner();
        Ok((response.sessions_changed, response.sessions_refused))
    }

    /// Watches a room of a namespace, or all when `room` is empty. Everything after this is reported.
    pub async fn watch(&mut self, namespace: &str, room: &str) -> Result<Watcher, Status> {
        let request = v1::WatchRoomsRequest { namespace: namespace.to_owned(), room: room.to_owned() };
        let response = within("a watch", self.stub.watch_rooms(self.signed(request))).await?;
        let mut watcher = Watcher { events: response.into_inner() };
        let begun = watcher.next().await?;
        assert_eq!(begun.kind(), RoomEventKind::Watching);
        Ok(watcher)
    }
}

impl Watcher {
    /// What is reported next, or how the watch ended.
    pub async fn next(&mut self) -> Result<WatchRoomsResponse, Status> {
        let event = within("a room event", self.events.message()).await?;
        Ok(event.expect("a watch has no end without a status"))
    }

    /// What must be reported next. Returns who it was.
    pub async fn expect(&mut self, kind: RoomEventKind, room: &str, member_count: u32) -> Option<Sender> {
        let event = self.next().await.expect("the watch goes on");
        assert_eq!((event.kind(), event.room.as_str(), event.member_count), (kind, room, member_count));
        event.who
    }

    /// That the first member joins a room.
    pub async fn expect_first(&mut self, room: &str) {
        assert_eq!(self.expect(RoomEventKind::Created, room, 0).await, None);
        assert!(self.expect(RoomEventKind::Joined, room, 1).await.is_some());
    }

    /// That the last member goes from a room.
    pub async fn expect_last(&mut self, room: &str) {
        assert!(self.expect(RoomEventKind::Left, room, 0).await.is_some());
        assert_eq!(self.expect(RoomEventKind::Deleted, room, 0).await, None);
    }
}

/// The ids of members, as they were listed.
pub fn ids(members: &[Member]) -> Vec<String> {
    members.iter().filter_map(|member| member.who.as_ref()).map(|who| who.session.clone()).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
