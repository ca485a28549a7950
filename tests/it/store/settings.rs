//! Single values of the deployment.

use minimcp::store::Store;

pub(crate) async fn the_newest_audit_record_takes_the_place_of_the_one_before(store: &Store) {
    assert_eq!(store.audit_head().await.unwrap(), None);
    for head in [[1; 40], [2; 40]] {
        store.set_audit_head(&head).await.unwrap();
        assert_eq!(store.audit_head().await.unwrap(), Some(head.to_vec()));
    }
}
