//! The administrative calls.

use kvgate_proto::v1::{
    CullRequest, DeleteCollectionRequest, DestroyStoreRequest, GetStoreRequest, ListStoresRequest,
    Store,
};

use super::{Answer, Client, Collection, answer, describe};
use crate::rpc_error::RpcError;

impl Client {
    /// Lists the stores.
    pub async fn list_stores(&self) -> Answer<Vec<Store>> {
        let result = self.stores().list_stores(ListStoresRequest {}).await;
        Ok(answer("ListStores", result)?.stores)
    }

    /// Describes one store.
    pub async fn get_store(&self, store: &str) -> Answer<Store> {
        let call = describe("GetStore", store, None, &());
        let result = self.stores().get_store(GetStoreRequest { store: store.to_owned() }).await;
        let missing = tonic::Status::internal("the answer has no store");
        answer(&call, result)?.store.ok_or_else(|| RpcError::of_call(&call, &missing))
    }

    /// Removes the expired entries of a store.
    pub async fn cull(&self, store: &str) -> Answer<i64> {
        let call = describe("Cull", store, None, &());
        let result = self.stores().cull(CullRequest { store: store.to_owned() }).await;
        Ok(answer(&call, result)?.culled_count)
    }

    /// Removes everything in a store.
    pub async fn destroy_store(&self, store: &str) -> Answer<()> {
        let call = describe("DestroyStore", store, None, &());
        let request = DestroyStoreRequest { store: store.to_owned() };
        answer(&call, self.stores().destroy_store(request).await).map(|_| ())
    }
}

impl Collection {
    /// Removes the collection with all its entries.
    pub async fn delete_collection(&self) -> Answer<bool> {
        let call = self.describe("DeleteCollection", &());
        let request = DeleteCollectionRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
        };
        let result = self.client.stores().delete_collection(request).await;
        Ok(answer(&call, result)?.deleted)
    }
}
