consent.sms
