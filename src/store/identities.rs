//! Users as an OpenID Connect issuer knows them.

use minimcp_entities::{identity, user};
use sea_orm::{EntityTrait, QueryFilter, Select};
use uuid::Uuid;

use super::error::on_duplicate;
use super::{Conflict, NewUser, Store, StoreError, micros};

/// Somebody who is seen for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    /// The `iss` claim; 1 to 512 characters.
    pub issuer: String,
    /// The `sub` claim; 1 to 255 characters.
    pub subject: String,
    /// The user they become.
    pub user: NewUser,
}

impl Store {
    /// The user whom the issuer means by this subject, if they were seen before.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn user_of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<user::Model>, StoreError> {
        let Some(row) = known(issuer, subject).one(&self.reader).await? else { return Ok(None) };
        let row = self.intact(row)?.into_row();
        let user = user::Entity::find_by_id(row.user_id).one(&self.reader).await?;
        user.map(|user| Ok(self.intact(user)?.into_row())).transpose()
    }

    /// Makes a user for a subject of an issuer: both or nothing.
    ///
    /// # Errors
    /// [`Conflict::UserName`]; [`Conflict::Identity`] if the subject has a user already.
    pub async fn create_identity(&self, new: NewIdentity) -> Result<user::Model, StoreError> {
        // The master key stays the same until the user's key is stored under it.
        let _stays = self.rewrapping.read().await;
        let transaction = self.begin().await?;
        if known(&new.issuer, &new.subject).one(&transaction).await?.is_some() {
            return Err(Conflict::Identity.into());
        }
        let (user, key) = self.insert_user(&transaction, &new.user).await?;
        let row = identity::Model {
            id: Uuid::now_v7(),
            issuer: new.issuer,
            subject: new.subject,
            user_id: user.id,
            created_at: micros(new.user.created_at),
            mac: Vec::new(),
        };
        self.insert(&transaction, row).await.map_err(on_duplicate(Conflict::Identity))?;
        transaction.commit().await?;
        self.vault.hold(key);
        Ok(user)
    }
}

fn known(issuer: &str, subject: &str) -> Select<identity::Entity> {
    identity::Entity::find()
        .filter(identity::COLUMN.issuer.eq(issuer))
        .filter(identity::COLUMN.subject.eq(subject))
}
