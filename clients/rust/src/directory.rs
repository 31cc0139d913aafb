//! Looking inside a server and acting on what is there, for operators and backends: a thin typed front of
//! `DirectoryService`, which gives the messages of the contract as they are.

use rialto_proto::v1::{self, directory_service_client::DirectoryServiceClient};

use crate::{client::Client, error::Error, target::Target, uplink::Opened};

/// The directory of a server. Reading needs the right `presence`, changing `admin`.
#[derive(Debug, Clone)]
pub struct Directory {
    client: Client,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Token of the next page; empty on the last one.
    pub next: String,
    /// How many there are on all pages.
    pub total: u32,
    /// Nodes that were asked and did not answer: what is with them is not here.
    pub nodes_missing: Vec<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageOf {
    /// At most this many entries; 0 for the server's default.
    pub size: u32,
    /// [`Page::next`] of the page before; empty for the first.
    pub token: String,
}

/// Sends one request to the directory, with credentials and deadline.
macro_rules! ask {
    ($directory:expr, $call:ident, $message:expr) => {{
        let call = async |channel, request| DirectoryServiceClient::new(channel).$call(request).await;
        $directory.client.unary($message, $directory.client.deadline(), call).await?
    }};
}

impl Client {
    /// Namespaces, rooms and members.
    pub fn directory(&self) -> Directory {
        Directory { client: self.clone() }
    }
}

impl Directory {
    /// Namespaces that exist now, by name.
    pub async fn namespaces(&self, page: PageOf) -> Result<Page<v1::Namespace>, Error> {
        let request = v1::ListNamespacesRequest { page_size: page.size, page_token: page.token };
        let response = ask!(self, list_namespaces, request);
        Ok(Page {
            items: response.namespaces,
            next: response.next_page_token,
            total: response.total_count,
            nodes_missing: response.nodes_missing,
        })
    }

    /// One namespace with its settings and counts, and the nodes that did not count.
    pub async fn namespace(&self, namespace: impl Into<String>) -> Result<v1::GetNamespaceResponse, Error> {
        let request = v1::GetNamespaceRequest { namespace: namespace.into() };
        Ok(ask!(self, get_namespace, request))
    }

    /// Makes a namespace. Absent settings keep their defaults.
    pub async fn create_namespace(
        &self,
        namespace: impl Into<String>,
        settings: v1::NamespaceSettings,
    ) -> Result<v1::Namespace, Error> {
        let request = v1::CreateNamespaceRequest { namespace: namespace.into(), settings: Some(settings) };
        ask!(self, create_namespace, request).namespace.ok_or_else(|| Error::unexpected("a creation"))
    }

    /// Changes the settings of a namespace. Absent settings stay.
    pub async fn update_namespace(
        &self,
        namespace: impl Into<String>,
        settings: v1::NamespaceSettings,
    ) -> Result<v1::Namespace, Error> {
        let request = v1::UpdateNamespaceRequest { namespace: namespace.into(), settings: Some(settings) };
        ask!(self, update_namespace, request).namespace.ok_or_else(|| Error::unexpected("an update"))
    }

    /// Deletes a namespace; returns how many sessions left it.
    pub async fn delete_namespace(&self, namespace: impl Into<String>) -> Result<u32, Error> {
        let request = v1::DeleteNamespaceRequest { namespace: namespace.into() };
        Ok(ask!(self, delete_namespace, request).sessions_changed)
    }

    /// Rooms of a namespace that have members and whose name begins with `prefix`, by name.
    pub async fn rooms(
        &self,
        namespace: impl Into<String>,
        prefix: impl Into<String>,
        page: PageOf,
    ) -> Result<Page<v1::Room>, Error> {
        let request = v1::ListRoomsRequest {
            namespace: namespace.into(),
            prefix: prefix.into(),
            page_size: page.size,
            page_token: page.token,
        };
        let response = ask!(self, list_rooms, request);
        Ok(Page {
            items: response.rooms,
            next: response.next_page_token,
            total: response.total_count,
            nodes_missing: response.nodes_missing,
        })
    }

    /// One room with its count, which is zero for a room without members, and the nodes that did not count.
    pub async fn room(
        &self,
        namespace: impl Into<String>,
        room: impl Into<String>,
    ) -> Result<v1::GetRoomResponse, Error> {
        let request = v1::GetRoomRequest { namespace: namespace.into(), room: room.into() };
        Ok(ask!(self, get_room, request))
    }

    /// Members of a room, or everyone in the namespace when `room` is empty, by session.
    pub async fn members(
        &self,
        namespace: impl Into<String>,
        room: impl Into<String>,
        page: PageOf,
    ) -> Result<Page<v1::Member>, Error> {
        let request = v1::ListMembersRequest {
            namespace: namespace.into(),
            room: room.into(),
            page_size: page.size,
            page_token: page.token,
        };
        let response = ask!(self, list_members, request);
        Ok(Page {
            items: response.members,
            next: response.next_page_token,
            total: response.total_count,
            nodes_missing: response.nodes_missing,
        })
    }

    /// One session with its rooms.
    pub async fn session(&self, session: impl Into<String>) -> Result<v1::Session, Error> {
        let request = v1::GetSessionRequest { session_id: session.into() };
        ask!(self, get_session, request).session.ok_or_else(|| Error::unexpected("a lookup"))
    }

    /// Makes sessions join rooms; in force for the next event when it returns.
    pub async fn join_members(
        &self,
        namespace: impl Into<String>,
        target: &Target,
        rooms: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<v1::JoinMembersResponse, Error> {
        let request = v1::JoinMembersRequest {
            namespace: namespace.into(),
            target: Some(target.raw.clone()),
            rooms: rooms.into_iter().map(Into::into).collect(),
        };
        Ok(ask!(self, join_members, request))
    }

    /// Makes sessions part rooms. Tells how many parted one at least, and which nodes did not answer.
    pub async fn part_members(
        &self,
        namespace: impl Into<String>,
        target: &Target,
        rooms: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<v1::PartMembersResponse, Error> {
        let request = v1::PartMembersRequest {
            namespace: namespace.into(),
            target: Some(target.raw.clone()),
            rooms: rooms.into_iter().map(Into::into).collect(),
        };
        Ok(ask!(self, part_members, request))
    }

    /// Ends sessions and tells them what to do next. Tells how many, and which nodes did not answer.
    pub async fn disconnect_members(
        &self,
        namespace: impl Into<String>,
        target: &Target,
        reason: impl Into<String>,
        then: v1::Then,
    ) -> Result<v1::DisconnectMembersResponse, Error> {
        let request = v1::DisconnectMembersRequest {
            namespace: namespace.into(),
            target: Some(target.raw.clone()),
            reason: reason.into(),
            then: then.into(),
        };
        Ok(ask!(self, disconnect_members, request))
    }

    /// Sets and removes attributes of sessions.
    pub async fn update_attributes(
        &self,
        namespace: impl Into<String>,
        target: &Target,
        set: impl IntoIterator<Item = (String, String)>,
        remove: impl IntoIterator<Item = String>,
    ) -> Result<v1::UpdateAttributesResponse, Error> {
        let request = v1::UpdateAttributesRequest {
            namespace: namespace.into(),
            target: Some(target.raw.clone()),
            set: set.into_iter().collect(),
            remove: remove.into_iter().collect(),
        };
        Ok(ask!(self, update_attributes, request))
    }

    /// Room events as they happen, of one room or of all when `room` is empty. The first says that the watch has begun.
    pub async fn watch_rooms(
        &self,
        namespace: impl Into<String>,
        room: impl Into<String>,
    ) -> Result<RoomWatch, Error> {
        let request = v1::WatchRoomsRequest { namespace: namespace.into(), room: room.into() };
        let call = async |channel, request| DirectoryServiceClient::new(channel).watch_rooms(request).await;
        Ok(RoomWatch { stream: self.client.open(request, call).await? })
    }
}

/// Room events as they happen.
#[derive(Debug)]
pub struct RoomWatch {
    stream: Opened<v1::WatchRoomsResponse>,
}

impl RoomWatch {
    /// The next event; `None` when the server ended the watch.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Option<Result<v1::WatchRoomsResponse, Error>> {
        self.stream.message(Error::from).await.transpose()
    }
}
