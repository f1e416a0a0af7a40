import Kernel

/// Names the ids of profiles.
public enum ProfileSubject {}
/// A profile's id: the smallest id of its identifiers.
public typealias ProfileID = TypedID<ProfileSubject>

/// Names the ids of identifiers.
public enum IdentifierSubject {}
/// An identifier's id, given when it is first seen and kept for ever.
public typealias IdentifierID = TypedID<IdentifierSubject>
