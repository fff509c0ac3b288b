-- /etc/opendkim/mailtailor.lua: takes the mark of mailtailor's job off a copy (FinalPolicyScript of opendkim.conf).
-- A copy has one. Where there is none, nothing happens. The mark is not signed, so this breaks no signature.
odkim.del_header(ctx, "X-Mailtailor-Job", 0)
return nil
