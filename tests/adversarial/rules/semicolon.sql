vip;
