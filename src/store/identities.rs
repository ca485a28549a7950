//! Users as an OpenID Connect issuer knows them.

use minimcp_entities::{identity, user};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

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
        let key = (issuer.to_owned(), subject.to_owned());
        let Some(row) = identity::Entity::find_by_id(key).one(&self.reader).await? else { return Ok(None) };
        Ok(user::Entity::find_by_id(row.user_id).one(&self.reader).await?)
    }

    /// Makes a user for a subject of an issuer: both or nothing.
    ///
    /// # Errors
    /// [`Conflict::UserName`]; [`Conflict::Identity`] if the subject has a user already.
    pub async fn create_identity(&self, new: NewIdentity) -> Result<user::Model, StoreError> {
        let transaction = self.begin().await?;
        let key = (new.issuer.clone(), new.subject.clone());
        if identity::Entity::find_by_id(key).one(&transaction).await?.is_some() {
            return Err(Conflict::Identity.into());
        }
        let user = new.user.insert(&transaction).await?;
        let row = identity::Model {
            issuer: new.issuer,
            subject: new.subject,
            user_id: user.id,
            created_at: micros(new.user.created_at),
        };
        let inserted = row.into_active_model().insert(&transaction).await;
        inserted.map_err(on_duplicate(Conflict::Identity))?;
        transaction.commit().await?;
        Ok(user)
    }
}
