//! Calls for one key, and listings.

use kvgate_core::{Entry, PageRequest, StoreExt};
use kvgate_proto::v1::{
    DeleteRequest, DeleteResponse, GetRequest, GetResponse, ListCollectionsRequest,
    ListCollectionsResponse, ListKeysRequest, ListKeysResponse, PutRequest, PutResponse,
    TtlRequest, TtlResponse,
};

use super::caller::Caller;
use super::page_token::Listing;
use super::request::Target;
use super::status::Fault;
use super::{Service, convert};
use crate::access::Wish;
use crate::config::Operation;

impl Service {
    pub(super) async fn get(
        &self,
        caller: &Caller,
        request: GetRequest,
    ) -> Result<GetResponse, Fault> {
        let found = self.read(caller, &request.store, &request.collection, &request.key).await?;
        let entry = found.map(|found| convert::entry(request.key, found));
        let response = GetResponse { entry };
        self.check_response(&response)?;
        Ok(response)
    }

    async fn read(
        &self,
        caller: &Caller,
        store: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Entry>, Fault> {
        let Target { served, collection } =
            self.target(caller, Operation::Read, store, collection)?;
        self.check_key(key, || "key".to_owned())?;
        served.store.get(collection, key).await.map_err(|e| served.fault(e))
    }

    pub(super) async fn put(
        &self,
        caller: &Caller,
        request: PutRequest,
    ) -> Result<PutResponse, Fault> {
        let target = self.target(caller, Operation::Write, &request.store, &request.collection)?;
        self.check_key(&request.key, || "key".to_owned())?;
        let now = self.topology.clock.now();
        let entry = self.entry(&request.value, request.ttl.as_ref(), now, String::new)?;
        target
            .served
            .store
            .put(target.collection, &request.key, entry)
            .await
            .map_err(|e| target.served.fault(e))?;
        Ok(PutResponse {})
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        request: DeleteRequest,
    ) -> Result<DeleteResponse, Fault> {
        let target = self.target(caller, Operation::Write, &request.store, &request.collection)?;
        self.check_key(&request.key, || "key".to_owned())?;
        let deleted = target
            .served
            .store
            .delete(target.collection, &request.key)
            .await
            .map_err(|e| target.served.fault(e))?;
        Ok(DeleteResponse { deleted })
    }

    pub(super) async fn ttl(
        &self,
        caller: &Caller,
        request: TtlRequest,
    ) -> Result<TtlResponse, Fault> {
        let found = self.read(caller, &request.store, &request.collection, &request.key).await?;
        let now = self.topology.clock.now();
        let ttl = found.as_ref().and_then(|found| found.ttl(now)).map(convert::duration);
        let entry = found.map(|found| convert::entry(request.key, found));
        let response = TtlResponse { entry, ttl };
        self.check_response(&response)?;
        Ok(response)
    }

    pub(super) async fn list_keys(
        &self,
        caller: &Caller,
        request: ListKeysRequest,
    ) -> Result<ListKeysResponse, Fault> {
        let target = self.target(caller, Operation::List, &request.store, &request.collection)?;
        let listing = Listing {
            method: "ListKeys",
            store: &target.served.name,
            collection: target.collection,
            prefix: &request.prefix,
        };
        let cursor = listing.cursor(&request.page_token)?;
        let page = PageRequest {
            prefix: &request.prefix,
            cursor: cursor.as_deref(),
            limit: self.page_size(request.page_size)?,
        };
        let listed = target
            .served
            .store
            .list_keys(target.collection, &page)
            .await
            .map_err(|e| target.served.fault(e))?;
        let next_page_token = listing.token(listed.next.as_deref());
        let keys = listed.items.into_iter().map(|listed| listed.key).collect();
        let response = ListKeysResponse { keys, next_page_token };
        self.check_response(&response)?;
        Ok(response)
    }

    pub(super) async fn list_collections(
        &self,
        caller: &Caller,
        request: ListCollectionsRequest,
    ) -> Result<ListCollectionsResponse, Fault> {
        let served = self.store(caller, &request.store, Wish::Somewhere(Operation::List))?;
        let listing = Listing {
            method: "ListCollections",
            store: &served.name,
            collection: "",
            prefix: &request.prefix,
        };
        let cursor = listing.cursor(&request.page_token)?;
        let page = PageRequest {
            prefix: &request.prefix,
            cursor: cursor.as_deref(),
            limit: self.page_size(request.page_size)?,
        };
        let listed = served.store.list_collections(&page).await.map_err(|e| served.fault(e))?;
        let next_page_token = listing.token(listed.next.as_deref());
        // a page may so have fewer names than were asked for, or none
        let may_list = |name: &String| caller.may(&served.name, Wish::In(Operation::List, name));
        let collections = listed.items.into_iter().filter(may_list).collect();
        let response = ListCollectionsResponse { collections, next_page_token };
        self.check_response(&response)?;
        Ok(response)
    }
}
